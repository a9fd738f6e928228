package durable

import (
	"math"
	"time"

	"github.com/netherite-go/netherite/model"
)

// Forever, as a timeout, is none.
const Forever time.Duration = 1<<63 - 1

// Sleep blocks for d, however long and whatever crashes meanwhile. It does not
// return early: the error is nil, or ErrUnwinding.
func Sleep(ctx *Context, d time.Duration) error {
	_, err := Timer(ctx, d).Await()
	return err
}

// SleepUntil is Sleep until a time. A time in the past is due at once.
func SleepUntil(ctx *Context, t time.Time) error {
	_, err := TimerAt(ctx, t).Await()
	return err
}

// Timer returns a future that is done once d has passed since the current step
// began. A timer that lost in First, or that was cancelled, is taken back.
func Timer(ctx *Context, d time.Duration) *Future[None] {
	return timer(ctx, timerEvent(ctx.x.Now(), max(d, 0)))
}

// timerEvent asks for a timer. The engine counts a relative one from when it
// records it, unless that is further away than time reaches.
func timerEvent(now model.Time, d time.Duration) model.Event {
	ev := model.Event{Kind: model.TimerCreated, FireAt: later(now, d)}
	if d > 0 && d < farAway {
		ev.Ext = &model.Ext{Timeout: int64(d)}
	}
	return ev
}

// farAway is a duration that may not fit behind the present in a model.Time.
const farAway = 100 * 365 * 24 * time.Hour

// TimerAt returns a future that is done at a time, never before. A time in the
// past, the zero one too, is due at once.
func TimerAt(ctx *Context, t time.Time) *Future[None] {
	at := model.TimeOf(t)
	if at == 0 { // in the past, though its encoding says that there is none
		at = math.MinInt64
	}
	return timer(ctx, model.Event{Kind: model.TimerCreated, FireAt: at})
}

func timer(ctx *Context, ev model.Event) *Future[None] {
	f := &Future[None]{env: ctx.env}
	f.op.Init(ctx.x, "timer")
	ctx.x.Ask(&f.op, ev)
	return f
}
