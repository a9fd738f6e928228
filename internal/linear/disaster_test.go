package linear_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/hubtest"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// trouble is what happens to a hub while clients work.
type trouble uint8

const (
	powerFails trouble = iota
	processDies
	operationFails
	diskIsFull
)

// troubles are those of a trial, in any order.
func (c trial) troubles(rng *rand.Rand) (all []trouble) {
	for t, n := range []int{powerFails: c.crashes, processDies: c.kills, operationFails: c.errors, diskIsFull: c.full} {
		for range n {
			all = append(all, trouble(t))
		}
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// disaster lets troubles happen to a hub.
type disaster struct {
	trial
	hub    *hubtest.Hub
	disk   *hubtest.Disk
	rng    *rand.Rand
	failed atomic.Int64 // operations on files
}

// lies has syncs reported that are not done.
func (d *disaster) lies() {
	d.disk.FS.SetFault(func(op faultfs.Op) error {
		if d.lie != nil && d.lie(op) {
			return faultfs.ErrLie
		}
		return nil
	})
}

func (d *disaster) strike(what trouble, r *recorder) error {
	switch what {
	case processDies:
		return d.hub.Kill()
	case operationFails:
		d.failNext()
		return nil
	case diskIsFull:
		return d.fill(r)
	}
	left := faultfs.Crash{Rand: d.rng, KeepSectors: []float64{0, 0.1, 0.5, 1}[d.rng.IntN(4)], Fill: faultfs.FillAny, Whole: hubtest.InStore}
	if d.plain {
		left = faultfs.Crash{}
	}
	err := d.hub.Crash(left)
	d.lies()
	return err
}

// end lets nothing fail any more.
func (d *disaster) end() { d.disk.FS.SetFault(nil) }

// errInjected is how an operation on a file fails.
var errInjected = errors.New("input/output error, on purpose")

// failNext makes the next operation of some kind on the log or the store fail. The hub
// recovers from that by itself, and clients see nothing of it.
func (d *disaster) failNext() {
	kind := []faultfs.Kind{faultfs.OpWrite, faultfs.OpSync, faultfs.OpSync, faultfs.OpCreate}[d.rng.IntN(4)]
	in := []string{"/log/", "/log/", "/store/"}[d.rng.IntN(3)]
	var done atomic.Bool
	d.disk.FS.SetFault(func(op faultfs.Op) error {
		if op.Kind == kind && strings.Contains(op.Path, in) && done.CompareAndSwap(false, true) {
			d.failed.Add(1)
			return errInjected
		}
		return nil
	})
}

// So many requests are refused before there is space again, or the hub is seen so often
// to be without: if it recovers then, all clients may wait for answers.
const (
	enoughRefusals = 50
	enoughLooks    = 1_000
)

// fill lets nothing grow on the disk until that has been noticed, or there are no
// clients any more.
func (d *disaster) fill(r *recorder) error {
	usage, err := d.disk.FS.GetDiskUsage("/")
	if err != nil {
		return err
	}
	d.disk.FS.SetCapacity(int64(usage.UsedBytes))
	until := r.refusals() + enoughRefusals
	for looks := 0; looks < enoughLooks && r.refusals() < until && !r.over(); runtime.Gosched() {
		if errors.Is(d.hub.Now().Health(), engine.ErrDiskFull) {
			looks++
		}
	}
	d.disk.FS.SetCapacity(1 << 40)
	return nil
}
