package enginetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Timers of these scenarios are long, so that the flow of the clock does not
// matter, and of lengths far from each other, so that scenarios which share a
// hub do not make each other's go off.
var timers = []scenario{
	{name: "T8_ContinueAsNewThenTimer", run: continueThenTimer},
	{name: "T23_TimerCancellation", run: timerCancelled},
	{name: "T24_TimerExpiration", run: timerExpires},
	{name: "T26_OrchestrationConcurrency", run: concurrency},
	{name: "T33_ScheduledStart_All", run: scheduledStart},
	{name: "T33_ScheduledStart_Inline", run: scheduledInline},
}

var (
	approval = durable.Event[string]("Approval")

	restartThenSleep = durable.DeclareOrchestration[int, string]("ContinueAsNewThenTimer")
	approve          = durable.Orchestration("Approval", func(ctx *durable.Context, d time.Duration) (string, error) {
		decision, err := approval.Wait(ctx, d)
		if errors.Is(err, durable.ErrTimeout) {
			return "Expired", nil
		}
		return decision, err
	})
	// sleeper returns how many whole hours it has slept.
	sleeper = durable.Orchestration("Sleeper", func(ctx *durable.Context, d time.Duration) (time.Duration, error) {
		before := ctx.Now()
		err := durable.Sleep(ctx, d)
		return ctx.Now().Sub(before).Truncate(time.Hour), err
	})
	whenStarted = durable.Orchestration("WhenStarted", func(ctx *durable.Context, _ durable.None) (time.Time, error) { return ctx.Now(), nil })
	startLater  = durable.Orchestration("StartLater", func(ctx *durable.Context, at time.Time) (time.Time, error) {
		return whenStarted.Call(ctx, durable.None{}, durable.At(at)).Await()
	})

	timerCode = []durable.Handler{restartThenSleep.By(restartThenSleepCode), approve, sleeper, whenStarted, startLater}
)

func restartThenSleepCode(ctx *durable.Context, n int) (string, error) {
	if n == 0 {
		return restartThenSleep.Again(1)
	}
	return "OK", durable.SleepUntil(ctx, ctx.Now())
}

func continueThenTimer(s *scene) { result(s, start(s, restartThenSleep, "again", 0), "OK") }

func timerCancelled(s *scene) {
	run := start(s, approve, "approval", 1000*time.Hour)
	s.sleeps(run.ID())
	s.ok(approval.Raise(s.ctx, s, run.ID(), "Approved"))
	result(s, run, "Approved")
	want(s, "timers left", len(s.get(run.ID()).Waits.Timers), 0)
}

func timerExpires(s *scene) {
	run := start(s, approve, "approval", time.Hour)
	s.sleeps(run.ID())
	s.advance(time.Hour)
	result(s, run, "Expired")
}

func concurrency(s *scene) {
	began := s.now()
	var runs []*durable.Run[time.Duration]
	for i := range 10 {
		runs = append(runs, start(s, sleeper, fmt.Sprint("sleeper-", i), time.Hour))
	}
	for _, r := range runs {
		s.sleeps(r.ID())
	}
	s.advance(time.Hour)
	for _, r := range runs {
		slept, err := r.Wait(s.ctx)
		s.ok(err)
		want(s, "it woke up early", slept < time.Hour, false)
	}
	want(s, "all slept at the same time", s.now().Sub(began) < 6*time.Hour || s.shared, true)
}

// scheduled looks at an instance that is to start later. Others may move the
// clock, so what was read counts only if it is still too early afterwards.
func (s *scene) scheduled(id string, at time.Time) {
	s.Helper()
	inst := s.get(id)
	if s.now().Before(at) {
		want(s, "status before the start", inst.Status, model.Pending)
		want(s, "scheduled start", inst.ScheduledAt, model.TimeOf(at))
	}
}

func scheduledStart(s *scene) {
	at := s.now().Add(100 * time.Hour)
	late := start(s, whenStarted, "late", durable.None{}, durable.At(at))
	now := start(s, whenStarted, "now", durable.None{})
	began, err := now.Wait(s.ctx)
	s.ok(err)
	want(s, "the twin was late", began.Before(at) || s.shared, true)
	s.scheduled(late.ID(), at)
	s.advance(at.Sub(s.now()))
	began, err = late.Wait(s.ctx)
	s.ok(err)
	want(s, "it started early", began.Before(at), false)
}

// scheduledInline has a workflow ask for the late start.
func scheduledInline(s *scene) {
	at := s.now().Add(100 * time.Hour)
	late := start(s, startLater, "late", at)
	now := start(s, startLater, "now", s.now())
	_, err := now.Wait(s.ctx)
	s.ok(err)
	s.until("the child exists", func() bool { return len(s.get(late.ID()).Waits.Children) > 0 || s.get(late.ID()).Status.Ended() })
	for _, c := range s.get(late.ID()).Waits.Children {
		s.until("the child is there", func() bool {
			_, err := s.engine.Get(s.ctx, c.Instance, engine.GetOptions{})
			return err == nil
		})
		s.scheduled(c.Instance, at)
	}
	s.advance(at.Sub(s.now()))
	began, err := late.Wait(s.ctx)
	s.ok(err)
	want(s, "the child started early", began.Before(at), false)
}
