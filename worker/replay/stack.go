package replay

import (
	"fmt"
	"runtime"
	"strings"
)

// GoroutineLabel returns "goroutine N", by which stack dumps name the caller.
func GoroutineLabel() string {
	var buf [64]byte
	s := string(buf[:runtime.Stack(buf[:], false)])
	if i := strings.Index(s, " ["); i >= 0 {
		return s[:i]
	}
	return s
}

// StackOf returns the stack of the goroutine with the given label, cut out of
// a dump of all. It stops the world: only for what has gone wrong already.
func StackOf(label string) string {
	buf := make([]byte, 1<<20)
	dump := string(buf[:runtime.Stack(buf, true)])
	for block := range strings.SplitSeq(dump, "\n\n") {
		if strings.HasPrefix(block, label+" [") {
			return block
		}
	}
	return ""
}

// languagePrefixes are the packages whose frames are not the user's code.
var languagePrefixes = []string{
	"github.com/netherite-go/netherite/durable.",
	"github.com/netherite-go/netherite/worker/",
	"github.com/netherite-go/netherite/worker.",
	"runtime.", "iter.",
}

// callerLine names the line of the user's code that is calling, as file:line,
// or "" if there is none on the stack.
func callerLine() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if f.Function != "" && !isLanguage(f.Function) {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		if !more {
			return ""
		}
	}
}

func isLanguage(function string) bool {
	for _, p := range languagePrefixes {
		if strings.HasPrefix(function, p) {
			return true
		}
	}
	return false
}
