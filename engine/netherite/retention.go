package netherite

import (
	"context"
	"errors"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/model"
)

const (
	// retainEvery is how often instances beyond their retention are looked for,
	// and retainPause what lies between two slices of them.
	retainEvery = 10 * time.Minute
	retainPause = 50 * time.Millisecond
)

// retain purges orchestrations that ended longer ago than the retention, in
// slices, until the engine stops. What fails is tried again the next time.
func (e *Engine) retain() {
	if e.opts.Retention < 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-e.stop
		cancel()
	}()
	every := min(retainEvery, max(e.opts.Retention/10, time.Second))
	for !e.pause(every) {
		e.retire(ctx)
	}
}

// retire purges what has reached the end of its retention now.
func (e *Engine) retire(ctx context.Context) {
	q := engine.Query{UpdatedTo: model.TimeOf(e.opts.Clock.Wall().Add(-e.opts.Retention))}
	// An instance cannot have been created after it was last updated.
	q.CreatedTo = q.UpdatedTo
	for {
		deleted, token, err := e.PurgeWhere(ctx, q)
		e.metrics.retired.Add(int64(deleted))
		if deleted > 0 {
			mark.Hit(mark.Retired)
		}
		var partial *engine.PartialError
		if err != nil && !errors.As(err, &partial) { // what is missing is no news
			if ctx.Err() == nil && !errors.Is(err, engine.ErrClosed) {
				e.log.Warn("retention: purging ended instances failed, it is tried again", "error", err)
			}
			return
		}
		if token == "" || e.pause(retainPause) {
			return
		}
		q.Token = token
	}
}
