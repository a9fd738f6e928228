package netherite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

const (
	// retainEvery is how often instances beyond their retention are looked for,
	// and retainPause what lies at least between two slices of them.
	retainEvery = 10 * time.Minute
	retainPause = 50 * time.Millisecond
)

// RetentionRule says how long some of the orchestrations that have ended are kept.
type RetentionRule struct {
	// Names are of orchestrations; one that ends in "*" stands for all that begin
	// with what is before it. None stands for all.
	Names    []string
	Statuses []model.Status // with which they ended; none stands for all
	Keep     time.Duration  // since their end; negative for ever
}

// check refuses a rule that can never be what its author meant.
func (r *RetentionRule) check() error {
	for _, s := range r.Statuses {
		if !s.Ended() {
			return fmt.Errorf("%w: a rule of retention for status %s, with which nothing ends", engine.ErrInvalid, s)
		}
	}
	for _, n := range r.Names {
		if n == "" {
			return fmt.Errorf("%w: a rule of retention for an orchestration without a name", engine.ErrInvalid)
		}
	}
	return nil
}

func (r *RetentionRule) ends(s model.Status) bool {
	return len(r.Statuses) == 0 || slices.Contains(r.Statuses, s)
}

func (r *RetentionRule) named(name string) bool {
	return len(r.Names) == 0 || slices.ContainsFunc(r.Names, func(n string) bool {
		prefix, open := strings.CutSuffix(n, "*")
		return n == name || open && strings.HasPrefix(name, prefix)
	})
}

// keep is how long an instance is kept by the first rule that fits it.
func (o *Options) keep(i *model.Instance) time.Duration {
	for n := range o.RetentionRules {
		if r := &o.RetentionRules[n]; r.ends(i.Status) && r.named(i.Name) {
			return r.Keep
		}
	}
	return o.Retention
}

// shortest is the least that an instance with a status may be kept; negative if
// all of them are for ever.
func (o *Options) shortest(s model.Status) time.Duration {
	least := time.Duration(-1)
	note := func(d time.Duration) {
		if d >= 0 && (least < 0 || d < least) {
			least = d
		}
	}
	for n := range o.RetentionRules {
		r := &o.RetentionRules[n]
		if r.ends(s) {
			note(r.Keep)
			if len(r.Names) == 0 {
				return least // what comes after it is about nothing
			}
		}
	}
	note(o.Retention)
	return least
}

// endings are the statuses with which an orchestration ends.
var endings = [...]model.Status{model.Completed, model.Failed, model.Canceled, model.Terminated}

// retain purges orchestrations that ended longer ago than they are to be kept, in
// slices, until the engine stops. What fails is tried again the next time.
func (e *Engine) retain() {
	least := time.Duration(-1)
	for _, s := range endings {
		if d := e.opts.shortest(s); d >= 0 && (least < 0 || d < least) {
			least = d
		}
	}
	if least < 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-e.stop
		cancel()
	}()
	every := min(retainEvery, max(least/10, time.Second))
	// As long as there are no more records than at the last look, nothing is due
	// before that.
	seen, due := int64(-1), time.Time{}
	for !e.pause(every) {
		records := e.metrics.records.Load()
		idle := records == seen
		if idle && e.opts.Clock.Wall().Before(due) {
			continue
		}
		e.retire(ctx)
		seen, due = records, time.Time{}
		if idle {
			due = e.firstDue(ctx, least)
		}
	}
}

// firstDue is when the time of the first of those that have ended is over: until
// then a hub in which nothing happens need not read its files. If there are more
// than a few it is soon.
func (e *Engine) firstDue(ctx context.Context, least time.Duration) time.Time {
	now := e.opts.Clock.Wall()
	var without missing
	rows, more, err := e.page(ctx, &engine.Query{Statuses: endings[:]}, slice("", purgeSlice), nil, &without)
	switch {
	case err != nil || without.orNil() != nil:
		return now
	case more:
		return now.Add(least / 10)
	}
	first := now.Add(never)
	for i := range rows {
		keep := e.opts.keep(rows[i].Instance)
		if due := rows[i].Instance.LastUpdated.Std().Add(keep); keep >= 0 && due.Before(first) {
			first = due
		}
	}
	return first
}

// never is longer than a process runs.
const never = 100 * 365 * 24 * time.Hour

// retire purges what has reached the end of its retention now.
func (e *Engine) retire(ctx context.Context) {
	now := e.opts.Clock.Wall()
	for _, s := range endings {
		least := e.opts.shortest(s)
		if least < 0 || planted.TerminatedKept && s == model.Terminated {
			continue
		}
		q := engine.Query{Statuses: []model.Status{s}, UpdatedTo: model.TimeOf(now.Add(-least))}
		// An instance cannot have been created after it was last updated.
		q.CreatedTo = q.UpdatedTo
		if err := e.retireAll(ctx, q, now); err != nil {
			if ctx.Err() == nil && !errors.Is(err, engine.ErrClosed) {
				e.log.Warn("retention: purging ended instances failed, it is tried again", "error", err)
			}
			return
		}
	}
}

// retireAll purges those of a query whose time is over, slice by slice.
func (e *Engine) retireAll(ctx context.Context, q engine.Query, now time.Time) error {
	rate := purgeSlice
	if e.opts.RetentionRate > 0 {
		rate = min(rate, e.opts.RetentionRate)
	}
	after := ""
	for {
		deleted, next, err := e.retireSlice(ctx, &q, after, rate, now)
		e.metrics.retired.Add(int64(deleted))
		if deleted > 0 {
			mark.Hit(mark.Retired)
		}
		if err != nil {
			return err
		}
		rest := retainPause
		if e.opts.RetentionRate > 0 {
			rest = max(rest, time.Duration(deleted)*time.Second/time.Duration(e.opts.RetentionRate))
		}
		if next == "" || e.pause(rest) {
			return nil
		}
		after = next
	}
}

// retireSlice looks at one slice, and returns where the next one begins, empty
// after the last. Partitions that cannot be read are left out.
func (e *Engine) retireSlice(ctx context.Context, q *engine.Query, after string, rate int, now time.Time) (deleted int, next string, err error) {
	if err := e.admit(purgeIntake, 0); err != nil {
		return 0, "", err
	}
	defer e.leave(0)
	var without missing
	rows, more, err := e.page(ctx, q, slice(after, rate), nil, &without)
	if err != nil {
		return 0, "", err
	}
	if more {
		next = rows[len(rows)-1].Order
	}
	rows = slices.DeleteFunc(rows, func(r row) bool {
		keep := e.opts.keep(r.Instance)
		return keep < 0 || r.Instance.LastUpdated >= model.TimeOf(now.Add(-keep))
	})
	deleted, err = e.purgeRows(ctx, rows, &without)
	return deleted, next, err
}
