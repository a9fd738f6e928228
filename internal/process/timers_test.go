//go:build unix

package process

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// The timers that are due in the same second, and within what they are to fire.
const (
	nappers      = 1_000
	napsEach     = 100
	timers       = nappers * napsEach
	timersWithin = 3 * time.Second
)

// punctuality is what the child measured, by the history: when the orchestration
// that set a timer went on because it had fired.
type punctuality struct {
	Fired      int     `json:"fired"`
	CreateSecs float64 `json:"create_seconds"`
	SpareSecs  float64 `json:"spare_seconds"` // between the last timer set and the first due time
	Early      int     `json:"early"`         // by the history, or by the clock of the code behind it
	Disordered int     `json:"disordered"`    // fired before one of the same orchestration that was due earlier
	MedianSecs float64 `json:"median_seconds"`
	LatestSecs float64 `json:"latest_seconds"`
}

// dueAt is when timer j of orchestration i is due: scattered over the second, so
// that order means something.
func dueAt(second time.Time, i, j int) time.Time {
	return second.Add(time.Duration((i+j*nappers)*7919%timers) * time.Second / timers)
}

// nap sets timers and waits for them in turn. It returns how many were early by
// the clock, which is no matter of replay as it decides nothing.
type nap struct {
	I      int
	Second time.Time
}

func (n nap) run(c *durable.Context) (early int, err error) {
	due, all := map[*durable.Future[durable.None]]time.Time{}, make([]*durable.Future[durable.None], napsEach)
	for j := range all {
		at := dueAt(n.Second, n.I, j)
		all[j] = durable.TimerAt(c, at)
		due[all[j]] = at
	}
	for _, f := range durable.Completed(c, all...) {
		if _, err := f.Await(); err != nil {
			return early, err
		}
		if time.Now().Before(due[f]) {
			early++
		}
	}
	return early, nil
}

var naps = durable.Orchestration("Naps", func(c *durable.Context, n nap) (int, error) { return n.run(c) })

// fireTimers is the child: DIR SECONDS, which says how long it may take to set
// the timers.
func fireTimers(ctx context.Context, args []string) (any, error) {
	lead, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, err
	}
	hub, err := netherite.Open(args[0], netherite.Serve(naps), netherite.Logger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	second := begin.Truncate(time.Second).Add(time.Duration(lead) * time.Second)
	var refused atomic.Int64
	err = parallel(64, nappers, func(i int) error {
		return patiently(ctx, &refused, func() error {
			run, err := naps.Start(ctx, hub, nap{i, second}, durable.ID(fmt.Sprint("nap-", i)))
			if err == nil {
				_, err = hub.Engine().Wait(ctx, run.ID(), engine.UntilStarted, engine.GetOptions{})
			}
			return err
		})
	})
	p := &punctuality{CreateSecs: time.Since(begin).Seconds(), SpareSecs: time.Until(second).Seconds()}
	if err != nil || p.SpareSecs <= 0 {
		return p, err // too late to tell anything
	}
	var mu sync.Mutex
	orchestrations := make([][]fired, nappers)
	err = parallel(64, nappers, func(i int) error {
		all, early, err := woken(ctx, hub, fmt.Sprint("nap-", i))
		mu.Lock()
		defer mu.Unlock()
		orchestrations[i] = all
		p.Early += early
		return err
	})
	if err != nil {
		return nil, err
	}
	p.judge(orchestrations)
	return p, hub.Close(ctx)
}

// fired is a timer as history has it.
type fired struct{ due, at model.Time }

// woken waits for an orchestration to end and reads when its timers fired.
func woken(ctx context.Context, hub *netherite.Hub, id string) (all []fired, early int, err error) {
	run := naps.Attach(hub, id)
	if early, err = run.Wait(ctx); err != nil {
		return nil, 0, err
	}
	events, err := run.History(ctx)
	for i := range events {
		if e := &events[i]; e.Kind == model.TimerFired {
			all = append(all, fired{e.FireAt, e.Time})
		}
	}
	return all, early, err
}

// judge compares the times: no timer fires before another of the same
// orchestration that was due earlier.
func (p *punctuality) judge(orchestrations [][]fired) {
	var late []time.Duration
	for _, all := range orchestrations {
		var latest model.Time
		for _, f := range all {
			if f.at < f.due {
				p.Early++
			}
			if f.due < latest {
				p.Disordered++
			}
			latest = max(latest, f.due)
			late = append(late, f.at.Sub(f.due))
		}
	}
	slices.Sort(late)
	if p.Fired = len(late); p.Fired > 0 {
		p.MedianSecs, p.LatestSecs = late[p.Fired/2].Seconds(), late[p.Fired-1].Seconds()
	}
}

// TestTimersDueTogetherFireInTime has 100,000 timers due within one second.
func TestTimersDueTogetherFireInTime(t *testing.T) {
	var p punctuality
	// Where the starts take longer than that, it is tried with more time.
	for lead := 4; p.SpareSecs <= 0 && lead <= 64; lead *= 2 {
		p = punctuality{}
		finish(t, start(t, "timers", t.TempDir(), fmt.Sprint(lead)), &p)
		t.Logf("%d seconds ahead: %d timers, started in %.1f s, fired %.3f s late at most, %.3f s in the median",
			lead, p.Fired, p.CreateSecs, p.LatestSecs, p.MedianSecs)
	}
	if p.Fired != timers || p.Early > 0 || p.Disordered > 0 {
		t.Errorf("%d of %d fired, %d early, %d out of order", p.Fired, timers, p.Early, p.Disordered)
	}
	// Where other tests run at the same time the figure says little: it fails only
	// when it is far off.
	if p.LatestSecs > 5*timersWithin.Seconds() {
		t.Errorf("the latest fired %.2f s late, want at most %v", p.LatestSecs, timersWithin)
	}
}
