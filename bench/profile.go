package bench

import (
	"cmp"
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

// recording remembers the first error of a write: package pprof and the tracer
// ignore them.
type recording struct {
	*os.File
	err error
}

// Write implements io.Writer.
func (r *recording) Write(p []byte) (int, error) {
	n, err := r.File.Write(p)
	r.err = cmp.Or(r.err, err)
	return n, err
}

// startProfile begins to profile the window into a file; stop ends that. Of the
// kinds, mem counts what is allocated from the start of the process on: its
// shares are those of the window if that is most of the run.
func startProfile(kind, file string) (stop func() error, err error) {
	if kind == "" {
		return func() error { return nil }, nil
	}
	created, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("write the %s profile: %w", kind, err)
	}
	f := &recording{File: created}
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
		if err := cmp.Or(end(), f.err, f.Close()); err != nil {
			return fmt.Errorf("write the %s profile: %w", kind, err)
		}
		return nil
	}, nil
}

// judgeProfile says of a profiled run that its figures include the recording.
func (r *Result) judgeProfile(kind string) {
	r.Profile = kind
	if kind != "" {
		r.discount(fmt.Sprintf("a %s profile was recorded, which the figures include", kind))
	}
}
