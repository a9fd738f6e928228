package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
)

// The crash: one process works and reports what was acknowledged and what has
// finished; another one notes that in a ledger, kills it, and audits the
// directory against the ledger.

// crashInFlight is how many operations the process to be killed has under way.
const crashInFlight = 512

// Work is what a process does until it is killed.
type Work struct {
	Dir string
	Run string // begins the ID of every instance; another one for each process
	N   int    // operations
	// Hello makes every second operation a Hello5 instead of a transfer.
	Hello bool
}

// The first bytes of the lines of a report.
const (
	reportAcknowledged = "a"
	reportFinished     = "f"
)

func crashHandlers() []durable.Handler {
	return append(newBank().handlers(), (&hello{}).handlers()...)
}

// UntilKilled opens the hub, works, and writes a line to report when a start was
// acknowledged ("a crash-17"), and when the instance has finished with which
// output ("f crash-17 true"). It returns when all is done.
func (w Work) UntilKilled(ctx context.Context, report io.Writer) (err error) {
	hub, err := netherite.Open(w.Dir, netherite.Serve(crashHandlers()...))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Close(context.WithoutCancel(ctx))) }()
	e, b := &env{hub: &own{hub}, cfg: &Config{Partitions: hub.Partitions()}}, newBank()
	if err := b.setup(ctx, e); err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(report, format, args...)
	}
	return spread(ctx, crashInFlight, w.N, func(i int) error {
		id, err := w.start(ctx, e, b, i)
		if err != nil {
			return err
		}
		say("%s %s\n", reportAcknowledged, id)
		m, err := hub.Engine().Wait(ctx, id, engine.UntilEnded, engine.GetOptions{Payloads: true})
		if err != nil {
			return err
		}
		say("%s %s %s\n", reportFinished, id, m.Output)
		return nil
	})
}

// start starts operation i.
func (w Work) start(ctx context.Context, e *env, b *bank, i int) (id string, err error) {
	id = fmt.Sprintf("%s-%d", w.Run, i)
	if w.Hello && i%2 == 1 {
		_, err = hello5.Start(ctx, e.hub, i, durable.ID(id))
	} else {
		_, err = transferMoney.Start(ctx, e.hub, b.pick(e.cfg.Partitions), durable.ID(id))
	}
	return id, err
}

// Ledger is what a process has reported.
type Ledger struct {
	Acknowledged map[string]bool
	Finished     map[string]string // with which output
}

// Note takes down a line of the report. Another line, such as the beginning of
// one, is ignored.
func (l *Ledger) Note(line string) {
	if l.Acknowledged == nil {
		l.Acknowledged, l.Finished = map[string]bool{}, map[string]string{}
	}
	what, rest, _ := strings.Cut(line, " ")
	switch id, output, complete := strings.Cut(rest, " "); {
	case what == reportAcknowledged && id != "":
		l.Acknowledged[id] = true
	case what == reportFinished && complete:
		l.Finished[id] = output
	}
}

// Unfinished counts what was acknowledged and has not finished.
func (l *Ledger) Unfinished() int { return len(l.Acknowledged) - len(l.Finished) }

// Aftermath is what an audit found.
type Aftermath struct {
	Recovered int   `json:"recovered"` // acknowledged and unfinished at the kill, finished now
	Instances int   `json:"instances"` // of the run, acknowledged or not
	Total     int64 `json:"total"`     // money in all accounts
	Moved     int64 `json:"moved"`     // by the run's transfers
}

// Audit opens the hub again after the process was killed, lets every
// orchestration end, and verifies that none that was acknowledged is lost, that
// none that had finished has changed, that no money was made or lost, and that
// the accounts were moved exactly what the transfers say: no step took effect
// twice. movedBefore is what earlier runs in the same directory have moved.
func (w Work) Audit(ctx context.Context, l *Ledger, movedBefore int64) (a Aftermath, err error) {
	hub, err := netherite.Open(w.Dir, netherite.Serve(crashHandlers()...))
	if err != nil {
		return a, fmt.Errorf("reopen after the kill: %w", err)
	}
	defer func() { err = errors.Join(err, hub.Close(context.WithoutCancel(ctx))) }()
	// The kill may have come before all accounts were opened.
	if err := newBank().setup(ctx, &env{hub: &own{hub}}); err != nil {
		return a, err
	}
	return w.audit(ctx, hub, l, movedBefore)
}

// audit is Audit on an open hub.
func (w Work) audit(ctx context.Context, hub *netherite.Hub, l *Ledger, movedBefore int64) (a Aftermath, err error) {
	outcomes, err := w.outcomes(ctx, hub)
	if err != nil {
		return a, err
	}
	a.Instances = len(outcomes)
	for id := range l.Acknowledged {
		before, finished := l.Finished[id]
		switch now, ok := outcomes[id]; {
		case !ok:
			return a, fmt.Errorf("%s was acknowledged and is lost", id)
		case finished && now.output != before:
			return a, fmt.Errorf("%s had finished with %s, and now with %s", id, before, now.output)
		case !finished:
			a.Recovered++
		}
	}
	for _, o := range outcomes {
		a.Moved += o.moved
	}
	books, err := readBooks(ctx, hub)
	if err != nil {
		return a, err
	}
	a.Total = books.balance
	if paid, want := books.in-bankAccounts*bankOpening, movedBefore+a.Moved; paid != want {
		return a, fmt.Errorf("the accounts were paid %d, the transfers that succeeded moved %d", paid, want)
	}
	return a, books.check()
}

// outcome is what an instance has come to.
type outcome struct {
	output string
	moved  int64
}

// historyEvery is of how many instances one has its history checked.
const historyEvery = 64

// outcomes waits for every instance of the run, whether its start was
// acknowledged or not.
func (w Work) outcomes(ctx context.Context, hub *netherite.Hub) (map[string]outcome, error) {
	found := map[string]outcome{}
	q := engine.Query{IDPrefix: w.Run + "-", PageSize: 1000}
	for {
		page, err := hub.Engine().Query(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, m := range page.Instances {
			if found[m.ID], err = settle(ctx, hub, m.ID, len(found)%historyEvery == 0); err != nil {
				return nil, fmt.Errorf("instance %s: %w", m.ID, err)
			}
		}
		if page.Token == "" {
			return found, nil
		}
		q.Token = page.Token
	}
}
