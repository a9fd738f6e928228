package substratetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/netherite-go/netherite/substrate"
)

// LogMedium is what a log lives on. Its functions are called by the test's
// goroutine.
type LogMedium struct {
	// Open opens the log; the one that was open before has been closed or crashed.
	Open func() (substrate.Log, error)
	// Crash ends the open log, and loses as much of what was not synced as it
	// likes. The handle may be used afterwards, and must then refuse.
	Crash func(rng *rand.Rand)
	// Fail makes the next write or sync fail with the error; nil if the medium
	// cannot. Both must be possible.
	FailWrite, FailSync func(err error)
	// Fill makes the disk full, or gives it space again; nil if the medium cannot.
	Fill func(full bool)
	// MaxGroup is the largest group worth trying, in bytes; default 100,000.
	MaxGroup int
}

// LogFactory makes an empty medium.
type LogFactory func(t *testing.T) LogMedium

// TestLog runs the suite of substrate.Log.
func TestLog(t *testing.T, factory LogFactory) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *logRun)
	}{
		{"EmptyLogBeginsAtZero", logEmpty},
		{"GroupsComeBackWhole", logRoundTrip},
		{"ReplayStartsWithTheGroupThatContainsTheOffset", logReplayFrom},
		{"ReplayEndsWithTheFirstError", logReplayError},
		{"WriteDoesNotKeepTheSlice", logKeepsNothing},
		{"EmptyGroupIsRefused", logEmptyGroup},
		{"EveryOpenIsANewIncarnation", logIncarnations},
		{"OpenMakesDurableWhatItFound", logOpenIsDurable},
		{"CloseMakesEverythingDurable", logCloseIsDurable},
		{"ClosedLogRefuses", logClosed},
		{"CrashedLogCannotAppend", logZombie},
		{"TrimKeepsWhatIsBehindIt", logTrim},
		{"SyncOfNothingIsFree", logIdleSync},
		{"StatsCountGroups", logStats},
		{"FailedWriteIsFinal", logFailedWrite},
		{"FailedSyncIsFinal", logFailedSync},
		{"FullDiskRefusesCleanlyAndResumes", logFullDisk},
		{"SyncedGroupsSurviveAnySequenceOfCrashes", logRandom},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &logRun{t: t, medium: factory(t), rng: rand.New(rand.NewPCG(7, 11))}
			if r.medium.MaxGroup == 0 {
				r.medium.MaxGroup = 100_000
			}
			r.open()
			c.test(t, r)
			r.close()
		})
	}
}

// logRun is a log with a model of what it must hold.
type logRun struct {
	t      *testing.T
	medium LogMedium
	rng    *rand.Rand
	log    substrate.Log

	incarnation uint64
	groups      []logGroup // all ever written that may be there
	end         substrate.Offset
	synced      int // so many of them must be
	serial      int
}

type logGroup struct {
	at   substrate.Offset
	data []byte
}

func (r *logRun) open() {
	r.t.Helper()
	l, err := r.medium.Open()
	if err != nil {
		r.t.Fatalf("open: %v", err)
	}
	if l.Incarnation() <= r.incarnation {
		r.t.Fatalf("incarnation %d after %d", l.Incarnation(), r.incarnation)
	}
	r.log, r.incarnation = l, l.Incarnation()
	r.settle()
}

// settle compares what an opened log holds with what may be there, and takes it
// as what must be there from now on.
func (r *logRun) settle() {
	r.t.Helper()
	got := r.read(r.log.Begin())
	first := 0
	for first < len(r.groups) && r.groups[first].at < r.log.Begin() {
		first++
	}
	if err := samePrefix(r.groups[first:], got, r.synced-first); err != nil {
		r.t.Fatalf("after open: %v", err)
	}
	n := first + len(got)
	r.groups = r.groups[:n]
	r.synced, r.end = n, 0
	if n > 0 {
		last := r.groups[n-1]
		r.end = last.at + substrate.Offset(len(last.data))
	}
	if r.log.End() != r.end {
		r.t.Fatalf("after open: end %d, want %d", r.log.End(), r.end)
	}
}

// samePrefix wants got to be a prefix of the groups of at least least.
func samePrefix(groups, got []logGroup, least int) error {
	if len(got) < least {
		return fmt.Errorf("%d groups, and %d were durable", len(got), least)
	}
	if len(got) > len(groups) {
		return fmt.Errorf("%d groups, %d were written", len(got), len(groups))
	}
	for i, g := range got {
		if want := groups[i]; g.at != want.at || !bytes.Equal(g.data, want.data) {
			return fmt.Errorf("group %d is %d bytes at %d, want %d at %d, or its bytes differ", i, len(g.data), g.at, len(want.data), want.at)
		}
	}
	return nil
}

func (r *logRun) read(from substrate.Offset) (got []logGroup) {
	r.t.Helper()
	if err := r.log.Replay(from, func(at substrate.Offset, group []byte) error {
		got = append(got, logGroup{at, bytes.Clone(group)})
		return nil
	}); err != nil {
		r.t.Fatalf("replay from %d: %v", from, err)
	}
	return got
}

func (r *logRun) close() {
	r.t.Helper()
	if err := r.log.Close(); err != nil && !errors.Is(err, substrate.ErrClosed) && !errors.Is(err, substrate.ErrFailed) {
		r.t.Fatalf("close: %v", err)
	}
}

func (r *logRun) group(size int) []byte {
	r.serial++
	g := fmt.Appendf(make([]byte, 0, size), "%d-", r.serial)
	for len(g) < size {
		g = append(g, byte(len(g)*r.serial))
	}
	return g[:size]
}

func (r *logRun) write(size int) {
	r.t.Helper()
	g := r.group(size)
	if err := r.log.Write(g); err != nil {
		r.t.Fatalf("write: %v", err)
	}
	r.groups = append(r.groups, logGroup{r.end, g})
	r.end += substrate.Offset(size)
	if r.log.End() != r.end {
		r.t.Fatalf("end %d, want %d", r.log.End(), r.end)
	}
}

func (r *logRun) sync() {
	r.t.Helper()
	if err := r.log.Sync(); err != nil {
		r.t.Fatalf("sync: %v", err)
	}
	r.synced = len(r.groups)
}

func (r *logRun) crash() {
	r.medium.Crash(r.rng)
}

func (r *logRun) check() {
	r.t.Helper()
	begin := r.log.Begin()
	var want []logGroup
	for _, g := range r.groups {
		if g.at >= begin {
			want = append(want, g)
		}
	}
	if err := samePrefix(want, r.read(begin), len(want)); err != nil {
		r.t.Fatal(err)
	}
}
