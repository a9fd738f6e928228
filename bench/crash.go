package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// The crash of the demo: one process makes transfers and reports each that was
// acknowledged or has finished; another one kills it, opens the directory, and
// verifies what was reported.

// crashInFlight is how many transfers the process to be killed has under way.
const crashInFlight = 512

// Reports of the process to be killed, a line each.
const (
	ReportAcknowledged = 'a'
	ReportFinished     = 'f'
)

// TransferUntilKilled makes transfers in dir, n in all, and writes a line such
// as "a crash-17" to report when a start was acknowledged, and "f crash-17"
// when it has finished.
func TransferUntilKilled(ctx context.Context, dir string, n int, report io.Writer) (err error) {
	b := newBank()
	hub, err := netherite.Open(dir, netherite.Serve(b.handlers()...))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Close(context.WithoutCancel(ctx))) }()
	e := &env{hub: hub, cfg: &Config{Partitions: hub.Partitions()}}
	if err := b.setup(ctx, e); err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(what byte, id string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(report, "%c %s\n", what, id)
	}
	var next atomic.Int64
	errs := make([]error, crashInFlight)
	var wg sync.WaitGroup
	for c := range errs {
		wg.Go(func() {
			for errs[c] == nil {
				i := next.Add(1)
				if i > int64(n) {
					return
				}
				errs[c] = transferAndReport(ctx, e, b, fmt.Sprintf("crash-%d", i), say)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func transferAndReport(ctx context.Context, e *env, b *bank, id string, say func(byte, string)) error {
	run, err := transferMoney.Start(ctx, e.hub, b.pick(e.cfg.Partitions), durable.ID(id))
	if err != nil {
		return err
	}
	say(ReportAcknowledged, id)
	if _, err = run.Wait(ctx); err != nil {
		return err
	}
	say(ReportFinished, id)
	return nil
}

// Aftermath is what is found after the kill.
type Aftermath struct {
	Recovered int   // acknowledged and unfinished at the kill, finished now
	Total     int64 // money in all accounts
}

// VerifyAfterKill opens the hub again, waits until every acknowledged transfer
// has finished, and verifies that none is lost and no money was made or lost.
func VerifyAfterKill(ctx context.Context, dir string, acknowledged, finished map[string]bool) (a Aftermath, err error) {
	b := newBank()
	hub, err := netherite.Open(dir, netherite.Serve(b.handlers()...))
	if err != nil {
		return a, fmt.Errorf("reopen after the kill: %w", err)
	}
	defer func() { err = errors.Join(err, hub.Close(context.WithoutCancel(ctx))) }()
	for id := range finished {
		m, err := hub.Engine().Get(ctx, id, engine.GetOptions{})
		if err != nil {
			return a, fmt.Errorf("transfer %s had finished: %w", id, err)
		}
		if m.Status != model.Completed {
			return a, fmt.Errorf("transfer %s had finished and is %s", id, m.Status)
		}
	}
	for id := range acknowledged {
		m, err := hub.Engine().Wait(ctx, id, engine.UntilEnded, engine.GetOptions{})
		if err != nil {
			return a, fmt.Errorf("transfer %s was acknowledged: %w", id, err)
		}
		if m.Status != model.Completed {
			return a, fmt.Errorf("transfer %s was acknowledged and ended as %s", id, m.Status)
		}
		if !finished[id] {
			a.Recovered++
		}
	}
	a.Total = bankAccounts * bankOpening
	return a, CheckBank(ctx, hub)
}
