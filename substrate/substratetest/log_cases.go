package substratetest

import (
	"errors"
	"testing"

	"github.com/netherite-go/netherite/substrate"
)

func logEmpty(t *testing.T, r *logRun) {
	if r.log.Begin() != 0 || r.log.End() != 0 || r.log.Incarnation() == 0 || r.log.LowOnSpace() {
		t.Fatalf("begin %d, end %d, incarnation %d, low %v", r.log.Begin(), r.log.End(), r.log.Incarnation(), r.log.LowOnSpace())
	}
	if got := r.read(0); len(got) != 0 {
		t.Fatalf("%d groups", len(got))
	}
}

func logRoundTrip(_ *testing.T, r *logRun) {
	for _, size := range []int{1, 2, 431, 432, 433, 511, 512, 513, 944, 4096, 70_000, r.medium.MaxGroup, 3} {
		r.write(size)
	}
	r.check()
	r.sync()
	r.check()
	r.crash()
	r.open()
	r.check()
}

func logReplayFrom(t *testing.T, r *logRun) {
	for range 5 {
		r.write(10)
	}
	for from, want := range map[substrate.Offset]int{0: 5, 9: 5, 10: 4, 19: 4, 49: 1, 50: 0} {
		if got := r.read(from); len(got) != want {
			t.Fatalf("from %d: %d groups, want %d", from, len(got), want)
		}
	}
	if err := r.log.Replay(51, func(substrate.Offset, []byte) error { return nil }); err == nil {
		t.Fatal("replay from beyond the end: want an error")
	}
}

func logReplayError(t *testing.T, r *logRun) {
	r.write(10)
	r.write(10)
	stop := errors.New("stop")
	calls := 0
	err := r.log.Replay(0, func(substrate.Offset, []byte) error {
		calls++
		return stop
	})
	if !errors.Is(err, stop) || calls != 1 {
		t.Fatalf("%v after %d calls", err, calls)
	}
}

func logKeepsNothing(_ *testing.T, r *logRun) {
	g := r.group(100)
	r.groups = append(r.groups, logGroup{r.end, append([]byte(nil), g...)})
	r.end += 100
	if err := r.log.Write(g); err != nil {
		r.t.Fatal(err)
	}
	clear(g)
	r.check()
}

func logEmptyGroup(t *testing.T, r *logRun) {
	if err := r.log.Write(nil); err == nil {
		t.Fatal("want an error")
	}
	r.write(1)
	r.check()
}

func logIncarnations(_ *testing.T, r *logRun) {
	for i := range 6 {
		if i%2 == 0 {
			r.close()
		} else {
			r.crash()
		}
		r.open() // checks that the number has grown
	}
}

func logOpenIsDurable(t *testing.T, r *logRun) {
	for range 20 {
		r.write(1 + r.rng.IntN(3000))
	}
	for range 6 {
		r.crash()
		r.open() // takes what is there as what must be there
		if r.synced != len(r.groups) {
			t.Fatal("the run is wrong")
		}
	}
}

func logCloseIsDurable(t *testing.T, r *logRun) {
	r.write(1000)
	r.write(1000)
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	r.synced = len(r.groups)
	r.crash()
	r.open()
	if s := r.log.Stats(); !s.CleanStart || s.DroppedBytes != 0 || s.RewrittenBytes != 0 {
		t.Fatalf("after a clean close: %+v", s)
	}
}

func logClosed(t *testing.T, r *logRun) {
	r.write(10)
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"write":  r.log.Write([]byte("x")),
		"sync":   r.log.Sync(),
		"trim":   r.log.Trim(5),
		"replay": r.log.Replay(0, func(substrate.Offset, []byte) error { return nil }),
		"close":  r.log.Close(),
	} {
		if !errors.Is(err, substrate.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func logZombie(t *testing.T, r *logRun) {
	r.write(10)
	r.sync()
	old := r.log
	r.crash()
	if err := old.Write([]byte("zombie")); err == nil {
		t.Error("write: want an error")
	}
	if err := old.Sync(); err == nil {
		t.Error("sync: want an error")
	}
	r.open()
	r.write(10)
	r.check()
}

func logTrim(t *testing.T, r *logRun) {
	for range 60 {
		r.write(1000)
		r.sync()
		at := substrate.Offset(r.rng.Int64N(int64(r.end) + 1))
		before := r.log.Begin()
		if err := r.log.Trim(at); err != nil {
			t.Fatal(err)
		}
		if b := r.log.Begin(); b > max(at, before) || b < before {
			t.Fatalf("begins at %d after a trim before %d, was %d", b, at, before)
		}
		r.check()
	}
	if err := r.log.Trim(r.end); err != nil {
		t.Fatal(err)
	}
	if begin := r.log.Begin(); begin > 0 {
		if err := r.log.Replay(begin-1, func(substrate.Offset, []byte) error { return nil }); err == nil {
			t.Fatal("replay from what was trimmed: want an error")
		}
	}
	begin := r.log.Begin()
	r.crash()
	r.open()
	if r.log.Begin() < begin {
		t.Fatalf("begins at %d, before the crash at %d", r.log.Begin(), begin)
	}
	r.check()
}

func logIdleSync(t *testing.T, r *logRun) {
	r.sync()
	r.write(1)
	r.sync()
	n := r.log.Stats().Syncs
	r.sync()
	if got := r.log.Stats().Syncs; n != 1 || got != n {
		t.Fatalf("%d syncs, then %d", n, got)
	}
}

func logStats(t *testing.T, r *logRun) {
	r.write(100)
	r.write(200)
	r.sync()
	s := r.log.Stats()
	if s.Groups != 2 || s.GroupBytes != 300 || s.Syncs != 1 || s.DeviceBytes < 300 || s.Segments < 1 || s.SegmentsBegun != 0 || !s.CleanStart {
		t.Fatalf("%+v", s)
	}
}

var errInjected = errors.New("injected")

func logFailedWrite(t *testing.T, r *logRun) {
	if r.medium.FailWrite == nil {
		return
	}
	r.write(10)
	r.sync()
	r.medium.FailWrite(errInjected)
	g := r.group(1000)
	r.groups = append(r.groups, logGroup{r.end, g}) // may or may not be there
	logExpectFailed(t, r, r.log.Write(g))
}

func logFailedSync(t *testing.T, r *logRun) {
	if r.medium.FailSync == nil {
		return
	}
	r.write(10)
	r.sync()
	r.write(2000)
	r.medium.FailSync(errInjected)
	logExpectFailed(t, r, r.log.Sync())
}

func logExpectFailed(t *testing.T, r *logRun, err error) {
	t.Helper()
	if !errors.Is(err, substrate.ErrFailed) || !errors.Is(err, errInjected) {
		t.Fatalf("got %v", err)
	}
	for name, err := range map[string]error{
		"write":  r.log.Write([]byte("x")),
		"sync":   r.log.Sync(),
		"trim":   r.log.Trim(5),
		"replay": r.log.Replay(0, func(substrate.Offset, []byte) error { return nil }),
		"close":  r.log.Close(),
	} {
		if !errors.Is(err, substrate.ErrFailed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Opening again without a crash: what is found may be only in memory. It must
	// be durable all the same.
	r.open()
	r.crash()
	r.open()
	r.write(10)
	r.sync()
	r.check()
}

func logFullDisk(t *testing.T, r *logRun) {
	if r.medium.Fill == nil {
		return
	}
	r.write(100)
	r.medium.Fill(true)
	var err error
	for n := 0; err == nil; n++ {
		if n > 10_000 {
			t.Fatal("the disk never gets full")
		}
		g := r.group(1000)
		if err = r.log.Write(g); err == nil {
			r.groups = append(r.groups, logGroup{r.end, g})
			r.end += 1000
			r.sync()
		}
	}
	if !errors.Is(err, substrate.ErrDiskFull) || errors.Is(err, substrate.ErrFailed) || !r.log.LowOnSpace() {
		t.Fatalf("low on space %v, error %v", r.log.LowOnSpace(), err)
	}
	r.sync()
	r.check()
	r.medium.Fill(false)
	for range 20 {
		r.write(1000)
	}
	r.sync()
	if r.log.LowOnSpace() {
		t.Fatal("still low on space")
	}
	r.check()
	r.crash()
	r.open()
}

func logRandom(t *testing.T, r *logRun) {
	for step := range 600 {
		switch n := r.rng.IntN(100); {
		case n < 55:
			r.write(1 + r.rng.IntN(1500))
		case n < 80:
			r.sync()
		case n < 84:
			r.check()
		case n < 88:
			if err := r.log.Trim(substrate.Offset(r.rng.Int64N(int64(r.end) + 1))); err != nil {
				t.Fatal(err)
			}
		case n < 90:
			r.write(r.medium.MaxGroup / 2)
		case n < 93:
			if err := r.log.Close(); err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
			r.synced = len(r.groups)
			r.open()
		case n < 97:
			r.crash()
			r.open()
		}
	}
	r.check()
}
