package dirlock

import (
	"os"
	"sync"
)

// own are the files of the locks that this process has. The process ID of a holder does
// not tell: in containers it is the same in each.
var own = struct {
	mu    sync.Mutex
	files map[*os.File]bool
}{files: map[*os.File]bool{}}

func noteOwn(f *os.File, has bool) {
	own.mu.Lock()
	defer own.mu.Unlock()
	if has {
		own.files[f] = true
	} else {
		delete(own.files, f)
	}
}

// isOwn reports whether this process has the lock whose file this is.
func isOwn(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	for o := range own.files { // order-free: any
		if has, err := o.Stat(); err == nil && os.SameFile(info, has) {
			return true
		}
	}
	return false
}
