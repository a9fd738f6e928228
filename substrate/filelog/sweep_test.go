package filelog_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
)

// sweep runs a workload on a log and crashes it at every operation on the file
// system, in every way. It returns the first way in which the log that is found
// afterwards breaks its contract.
type sweep struct {
	fs      *faultfs.FS
	rng     *rand.Rand
	lie     func(faultfs.Op) bool // syncs that are reported and not done
	written [][]byte
	at      []substrate.Offset
	synced  int // so many groups were reported durable
	inc     uint64
	reach   substrate.Reach // as the log has told it, so that a crash must leave as much
	crashed int
	nested  bool // crash the recovery as well
}

var errBroken = errors.New("contract is broken")

func newSweep(seed uint64) *sweep {
	return &sweep{fs: faultfs.New(), rng: rand.New(rand.NewPCG(seed, 1))}
}

// run performs the workload, and every k-th operation looks at what a crash
// would leave.
func (s *sweep) run(groups, every int) (err error) {
	n := 0
	s.fs.SetFault(func(op faultfs.Op) error {
		if n++; n%every == 0 && err == nil && op.Kind != faultfs.OpRead {
			err = s.crashHere()
		}
		if s.lie != nil && s.lie(op) {
			return faultfs.ErrLie
		}
		return nil
	})
	defer s.fs.SetFault(nil)
	for round := range 3 {
		l, openErr := filelog.Open(small(s.fs, "/hub/log"))
		if openErr != nil {
			return errors.Join(err, openErr)
		}
		s.inc, s.reach = l.Incarnation(), l.Reached()
		if workErr := s.work(l, groups); workErr != nil {
			return errors.Join(err, workErr)
		}
		if round == 1 {
			l.Abandon() // the next round opens after an unclean end without a crash
		} else if closeErr := l.Close(); closeErr != nil {
			return errors.Join(err, closeErr)
		} else {
			s.synced, s.reach = len(s.written), l.Reached()
		}
	}
	return err
}

func (s *sweep) work(l *filelog.Log, groups int) error {
	for range groups {
		g := make([]byte, 1+s.rng.IntN(1200))
		for i := range g {
			g[i] = byte(len(s.written) + i)
		}
		s.at, s.written = append(s.at, l.End()), append(s.written, g)
		if err := l.Write(g); err != nil {
			return err
		}
		if s.rng.IntN(3) == 0 {
			if err := l.Sync(); err != nil {
				return err
			}
			s.synced, s.reach = len(s.written), l.Reached()
		}
		if s.rng.IntN(10) == 0 {
			if err := l.Trim(l.End() / 2); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sweep) crashHere() error {
	for _, name := range slices.Sorted(maps.Keys(crashes())) {
		c := crashes()[name]
		c.Rand = s.rng
		fs := s.fs.CrashClone(c)
		s.crashed++
		if s.nested {
			if err := s.crashRecovery(fs, c); err != nil {
				return fmt.Errorf("%s, in recovery: %w", name, err)
			}
		}
		if err := s.recover(fs); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// crashRecovery crashes the opening of what the first crash left, once, at any
// of its operations.
func (s *sweep) crashRecovery(fs *faultfs.FS, c faultfs.Crash) (err error) {
	at, n := 1+s.rng.IntN(40), 0
	fs.SetFault(func(op faultfs.Op) error {
		if n++; n == at && op.Kind != faultfs.OpRead {
			err = s.recover(fs.CrashClone(c))
		}
		return nil
	})
	l, openErr := filelog.Open(small(fs, "/hub/log"))
	fs.SetFault(nil)
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	l.Abandon()
	return err
}

// recover opens what a crash left and compares it with what was written.
func (s *sweep) recover(fs *faultfs.FS) error {
	opts := small(fs, "/hub/log")
	opts.Least = s.reach
	l, err := filelog.Open(opts)
	if err != nil {
		return fmt.Errorf("%w: %d groups were durable, open: %w", errBroken, s.synced, err)
	}
	if l.Incarnation() < s.inc {
		return fmt.Errorf("%w: incarnation %d, there has been %d", errBroken, l.Incarnation(), s.inc)
	}
	n, _ := slices.BinarySearch(s.at, l.Begin())
	if err := l.Replay(l.Begin(), func(at substrate.Offset, g []byte) error {
		if n >= len(s.written) || at != s.at[n] || !bytes.Equal(g, s.written[n]) {
			return fmt.Errorf("%w: group %d at %d differs from what was written", errBroken, n, at)
		}
		n++
		return nil
	}); err != nil {
		return err
	}
	if n < s.synced {
		return fmt.Errorf("%w: %d groups, %d were reported durable", errBroken, n, s.synced)
	}
	if err := errors.Join(l.Write([]byte("after")), l.Sync(), l.Close()); err != nil {
		return fmt.Errorf("%w: cannot go on: %w", errBroken, err)
	}
	r, err := filelog.Verify(fs, "/hub/log", s.reach)
	if err != nil || len(r.Damage) > 0 || !r.Closed {
		return fmt.Errorf("%w: after recovery %+v, %w", errBroken, r, err)
	}
	return nil
}

func TestSyncedGroupsSurviveACrashAtEveryOperation(t *testing.T) {
	s := newSweep(1)
	if err := s.run(40, 3); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d crashes", s.crashed)
}

func TestSyncedGroupsSurviveACrashOfTheRecovery(t *testing.T) {
	s := newSweep(2)
	s.nested = true
	if err := s.run(40, 7); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d crashes", s.crashed)
}

// TestSweepCatchesAMissingSync removes one kind of sync after the other.
func TestSweepCatchesAMissingSync(t *testing.T) {
	for name, lie := range map[string]func(faultfs.Op) bool{
		"Groups": func(op faultfs.Op) bool { return op.Kind == faultfs.OpSync && strings.HasSuffix(op.Path, ".log") },
		"Directory": func(op faultfs.Op) bool {
			return op.Kind == faultfs.OpSyncDir && path.Base(op.Path) == "log"
		},
		"ParentDirectory": func(op faultfs.Op) bool { return op.Kind == faultfs.OpSyncDir && path.Base(op.Path) == "hub" },
		"Identity": func(op faultfs.Op) bool {
			return op.Kind == faultfs.OpSync && strings.HasPrefix(path.Base(op.Path), "identity")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSweep(3)
			s.lie = lie
			err := s.run(40, 3)
			if !errors.Is(err, errBroken) {
				t.Fatalf("the sweep found nothing wrong: %v", err)
			}
			t.Log(err)
		})
	}
}
