package mem_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/substrate/substratetest"
)

func TestStore(t *testing.T) {
	for name, keep := range map[string]func(*rand.Rand) mem.Keep{
		"KeepNone":   func(*rand.Rand) mem.Keep { return mem.KeepNone },
		"KeepAll":    func(*rand.Rand) mem.Keep { return mem.KeepAll },
		"KeepRandom": mem.KeepRandom,
	} {
		t.Run(name, func(t *testing.T) {
			substratetest.TestStore(t, func(*testing.T) substratetest.StoreMedium { return storeMedium(keep) })
		})
	}
}

func storeMedium(keep func(*rand.Rand) mem.Keep) substratetest.StoreMedium {
	d := mem.NewStoreDisk()
	return substratetest.StoreMedium{
		Open:  func() (substrate.Store, error) { return d.Open() },
		Crash: func(rng *rand.Rand) { d.Crash(keep(rng), keep(rng)) },
		OpenExport: func(dir string) (substrate.Store, error) {
			copied, ok := d.Exported(dir)
			if !ok {
				return nil, fmt.Errorf("no export %s", dir)
			}
			return copied.Open()
		},
		ExportDir: "/copy",
		FailFlush: func(err error) {
			done := false
			d.SetFault(func(op mem.Op, _ int) error {
				if op != mem.OpFlush || done {
					return nil
				}
				done = true
				return err
			})
		},
	}
}
