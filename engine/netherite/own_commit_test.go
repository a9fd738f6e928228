package netherite

import (
	"sync/atomic"
	"testing"

	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// pausing is a log whose process can be stopped right after a sync, which has
// looked whose the log is.
type pausing struct {
	substrate.Log
	meanwhile func()
}

func (p *pausing) Sync() error {
	err := p.Log.Sync()
	p.meanwhile()
	return err
}

// answer counts how often it was given.
type answer struct{ given int }

func (a *answer) release() { a.given++ }

// What comes while a commit is under way rides on it. If that commit has already
// looked whose the log is, somebody looks again: the process may have been stopped
// in between, and its hub opened by another one.
func TestAnswerThatRidesOnACommitIsGivenOnlyByTheOwnerOfTheLog(t *testing.T) {
	for name, taken := range map[string]bool{"kept": false, "taken": true} {
		t.Run(name, func(t *testing.T) {
			disk := mem.NewLogDisk()
			log, err := disk.Open()
			if err != nil {
				t.Fatal(err)
			}
			p := &pausing{Log: log}
			c := newCommitter(p, sysclock.New(), 0, nil)
			var before, rides answer
			_, end := c.append(partition.ChunkHeader{}, make([]byte, 10), 1, true, []released{&before}, new(atomic.Uint64))
			p.meanwhile = func() {
				if !c.hold(end, &rides) {
					t.Error("the commit is not under way")
				}
				if !taken {
					return
				}
				if _, err := disk.Open(); err != nil {
					t.Error(err)
				}
			}
			if _, err := c.Tick(); (err != nil) != taken {
				t.Errorf("the commit ended with %v", err)
			}
			if before.given != 1 || (rides.given == 0) != taken {
				t.Errorf("given: what was there before %d times, what came after the look %d times", before.given, rides.given)
			}
		})
	}
}
