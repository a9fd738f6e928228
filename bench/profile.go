package bench

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
)

// Profiles lists what Config.Profile can be, beside nothing.
func Profiles() []string { return []string{"cpu", "mem", "trace"} }

// memoryRate is one sample in so many bytes allocated: finer than Go's default,
// as most allocations of a workload are small.
const memoryRate = 64 << 10

// startProfile begins to profile the window into a file; stop ends that. Of the
// kinds, mem counts what is allocated from the start of the process on: its
// shares are those of the window if that is most of the run.
func startProfile(kind, file string) (stop func() error, err error) {
	if kind == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("write the %s profile: %w", kind, err)
	}
	end := func() error { return nil }
	switch kind {
	case "cpu":
		err = pprof.StartCPUProfile(f)
		end = func() error { pprof.StopCPUProfile(); return nil }
	case "trace":
		err = trace.Start(f)
		end = func() error { trace.Stop(); return nil }
	case "mem":
		end = func() error {
			runtime.GC() // what is in use, is in use
			return pprof.Lookup("allocs").WriteTo(f, 0)
		}
	}
	if err != nil {
		_ = f.Close() // the error that counts is the first
		return nil, fmt.Errorf("start the %s profile: %w", kind, err)
	}
	return func() error {
		err := end()
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return fmt.Errorf("write the %s profile: %w", kind, err)
		}
		return nil
	}, nil
}
