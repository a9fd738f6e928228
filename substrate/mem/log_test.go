package mem_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/substrate/substratetest"
)

func TestLog(t *testing.T) {
	for name, keep := range map[string]func(*rand.Rand) mem.Keep{
		"KeepNone":   func(*rand.Rand) mem.Keep { return mem.KeepNone },
		"KeepAll":    func(*rand.Rand) mem.Keep { return mem.KeepAll },
		"KeepRandom": mem.KeepRandom,
	} {
		t.Run(name, func(t *testing.T) {
			substratetest.TestLog(t, func(*testing.T) substratetest.LogMedium { return logMedium(keep) })
		})
	}
}

func logMedium(keep func(*rand.Rand) mem.Keep) substratetest.LogMedium {
	d := mem.NewLogDisk()
	failNext := func(op mem.Op) func(error) {
		return func(err error) {
			done := false
			d.SetFault(func(o mem.Op, _ int) error {
				if o != op || done {
					return nil
				}
				done = true
				return err
			})
		}
	}
	return substratetest.LogMedium{
		Open:      func() (substrate.Log, error) { return d.Open() },
		Crash:     func(rng *rand.Rand) { d.Crash(keep(rng)) },
		FailWrite: failNext(mem.OpWrite),
		FailSync:  failNext(mem.OpSync),
		Fill: func(full bool) {
			d.SetLowOnSpace(full)
			d.SetFault(func(op mem.Op, _ int) error {
				if full && op == mem.OpWrite {
					return fmt.Errorf("test: %w", substrate.ErrDiskFull)
				}
				return nil
			})
		},
	}
}
