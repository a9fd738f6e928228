//go:build unix

package chaos

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/bench/chaos"
	"github.com/netherite-go/netherite/durable"
)

// settleWithin bounds what follows when the faults have stopped.
const settleWithin = 4 * time.Minute

// TestChaos kills, stops, restarts and starves a process under load, and audits
// what its clients were told. It fails as well if there was too little of anything
// to prove something.
func TestChaos(t *testing.T) {
	s := newSeed(t)
	w := newWarden(t, s)
	whole, cancel := context.WithTimeout(t.Context(), *chaosTime+settleWithin)
	defer cancel()
	if err := w.up(); err != nil {
		t.Fatal(err)
	}
	defer func() { w.host.kill() }()
	w.recoveries = nil // there was nothing to recover
	teller := w.client(1, "bank")
	if err := teller.openAccounts(whole); err != nil {
		t.Fatal(err)
	}

	at, over := context.WithCancel(whole)
	var clients sync.WaitGroup
	for i := range *crowd {
		c := w.client(uint64(100+i), fmt.Sprintf("c%02d", i))
		clients.Go(func() { c.live(at, whole) })
	}
	err := w.torment(whole, *chaosTime)
	took := time.Since(w.r.begun)
	if over(); err != nil {
		w.r.violate("%v", err)
		cancel() // nobody serves the clients any more
	}
	clients.Wait()
	healed := time.Since(w.r.begun) - took
	if err == nil {
		w.audit(whole, teller)
	}
	t.Log(w.summary(s, took, healed))
	w.enough(took)
	if w.r.report(t); t.Failed() {
		t.Logf("what the process said last:\n%s", w.host.stderr)
	}
}

// newWarden prepares a run.
func newWarden(t *testing.T, seed uint64) *warden {
	t.Helper()
	w := &warden{
		t: t, seed: seed, r: newRun(), rng: split(seed, 0), command: command(t), disk: newDisk(t), long: 2 * time.Second,
		args: []string{"--checkpoint-bytes", fmt.Sprint(8 << 20), "--retention", "1h"},
	}
	w.r.door.set(nil, nil)
	w.dir = filepath.Join(w.disk.place(), "hub")
	w.flood = w.client(2, "flood")
	w.flood.ledger.prefix = "flood"
	w.r.begun = time.Now()
	return w
}

func (w *warden) client(n uint64, name string) *client {
	return &client{r: w.r, name: name, rng: split(w.seed, n), ledger: newLedger(name + "-")}
}

// audit is what follows when all clients have settled: the books, the signals of
// the flood, what should not be there, an orderly close, and the files.
func (w *warden) audit(ctx context.Context, teller *client) {
	if err := teller.balance(ctx, w.r.moved); err != nil {
		w.r.violate("%v", err)
	}
	var flood chaos.Marks
	o, _, err := teller.ask(ctx, false, func(ctx context.Context, hub durable.Hub) (err error) {
		flood, _, err = chaos.Marked.Read(ctx, hub, chaos.Marked.Key(w.flood.ledger.prefix))
		return err
	})
	if o != acknowledged {
		w.r.violate("read the flood's entity: %s: %v", o, err)
	} else if err := w.flood.ledger.marked(&flood); err != nil {
		w.r.violate("%v", err)
	}
	w.r.settled(w.flood.ledger, 0, int(flood.Count()), 0, true)
	teller.sweep(ctx)
	if err := w.host.close(); err != nil {
		w.r.violate("%v", err)
	}
	stdout, stderr, code, err := runOnce(ctx, w.command, "inspect", "--verify", w.dir)
	if err != nil || code != 0 || !strings.HasPrefix(stdout, "ok: ") {
		w.r.violate("inspect --verify: code %d, %v\n%s%s", code, err, stdout, stderr)
	}
}

// summary is the line that a run ends with.
func (w *warden) summary(seed uint64, took, healed time.Duration) string {
	known := w.r.total(acknowledged)
	all := known + w.r.total(refused) + w.r.total(unknown)
	p50, most := spread(w.recoveries)
	full50, fullMost := spread(w.resumed)
	return fmt.Sprintf("chaos: seed=%d disk=%v seconds=%.1f operations=%d per_second=%.0f kills=%d stops=%d held=%d closes=%d disk_full=%d "+
		"recoveries=%d recovery_p50_ms=%d recovery_max_ms=%d resumed_p50_ms=%d resumed_max_ms=%d "+
		"acknowledged=%d refused=%d unknown=%d attempts_refused=%d timers=%d audited=%d settle_seconds=%.1f violations=%d",
		seed, w.disk, took.Seconds(), all, float64(all)/took.Seconds(), w.kills, w.stops, w.held, w.closes, w.fulls,
		len(w.recoveries), p50.Milliseconds(), most.Milliseconds(), full50.Milliseconds(), fullMost.Milliseconds(),
		known, w.r.total(refused), w.r.total(unknown), w.r.refusals, w.r.timers, w.r.audited, healed.Seconds(), len(w.r.violations))
}

// spread is the median and the greatest of durations.
func spread(list []time.Duration) (p50, most time.Duration) {
	if len(list) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2], sorted[len(sorted)-1]
}

// What a run needs, so that it proves something. A machine that is busy with other
// things makes a third of what an idle one does, or less.
const (
	leastPerSecond = 10 // acknowledged
	secondsPerKill = 10
	secondsPerStop = 30
	secondsPerFull = 30
)

// enough fails the test if too little happened.
func (w *warden) enough(took time.Duration) {
	s := int(took.Seconds())
	least := func(what string, got, want int) {
		if got < max(want, 1) {
			w.t.Errorf("too little to prove anything: %d %s in %d s, expected %d", got, what, s, max(want, 1))
		}
	}
	least("requests acknowledged", w.r.total(acknowledged), leastPerSecond*s)
	least("outcomes unknown", w.r.total(unknown), 1)
	least("kills", w.kills, s/secondsPerKill)
	least("stops", w.stops, s/secondsPerStop)
	least("full disks", w.fulls, s/secondsPerFull)
	least("audited", w.r.audited, leastPerSecond*s/2)
	for k := range kinds {
		least(k.String(), w.r.counts[k][acknowledged], 1)
	}
}
