//go:build unix

package dirlock

import (
	"syscall"
	"testing"
)

// Between fork and exec a child has all files of its parent, the lock's as well.
func TestLockIsGivenBackAlthoughAChildHasItsFile(t *testing.T) {
	for what, take := range map[string]func(string) (*Lock, error){"acquired": Acquire, "shared": Share} {
		dir := t.TempDir()
		first, err := Acquire(dir) // makes the file
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		l, err := take(dir)
		if err != nil {
			t.Fatal(err)
		}
		inherited, err := syscall.Dup(int(l.file.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		next, err := Acquire(dir)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if err := next.Close(); err != nil {
			t.Error(err)
		}
		if err := syscall.Close(inherited); err != nil {
			t.Error(err)
		}
	}
}
