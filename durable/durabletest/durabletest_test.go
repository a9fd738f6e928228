package durabletest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/durable/durabletest"
)

var (
	remind   = durable.DeclareActivity[string, string]("Remind")
	approval = durable.Event[bool]("Approved")
)

// approve reminds every day until somebody approves, and gives up after a week.
var approve = durable.Orchestration("Approve", func(ctx *durable.Context, order string) (string, error) {
	for day := range 7 {
		ok, err := approval.Wait(ctx, 24*time.Hour)
		if err == nil && ok {
			return fmt.Sprintf("approved on day %d", day+1), nil
		}
		if err != nil && !errors.Is(err, durable.ErrTimeout) {
			return "", err
		}
		if _, err := remind.Call(ctx, order).Await(); err != nil {
			return "", err
		}
	}
	return "expired", nil
})

func reminder(n *atomic.Int64) durable.Handler {
	return remind.By(func(context.Context, string) (string, error) {
		n.Add(1)
		return "reminded", nil
	})
}

func TestAdvancePassesThroughAllThatFallsDue(t *testing.T) {
	var reminders atomic.Int64
	hub := durabletest.New(t, approve, reminder(&reminders))
	run, err := approve.Start(t.Context(), hub, "order-1")
	if err != nil {
		t.Fatal(err)
	}
	hub.Advance(73 * time.Hour)
	if n := reminders.Load(); n != 3 {
		t.Errorf("%d reminders after three days", n)
	}
	hub.Advance(10 * 24 * time.Hour)
	if got, err := run.Wait(t.Context()); err != nil || got != "expired" {
		t.Errorf("%q, %v", got, err)
	}
	if n := reminders.Load(); n != 7 {
		t.Errorf("%d reminders in all", n)
	}
}

func TestCrashKeepsWhatWasAcknowledged(t *testing.T) {
	var reminders atomic.Int64
	hub := durabletest.New(t, approve, reminder(&reminders))
	run, err := approve.Start(t.Context(), hub, "order-2", durable.ID("order-2"))
	if err != nil {
		t.Fatal(err)
	}
	hub.Advance(25 * time.Hour)
	hub.Crash()
	hub.Advance(25 * time.Hour)
	if err := approval.Raise(t.Context(), hub, "order-2", true); err != nil {
		t.Fatal(err)
	}
	hub.Crash()
	if got, err := run.Wait(t.Context()); err != nil || got != "approved on day 3" {
		t.Errorf("%q, %v", got, err)
	}
	if n := reminders.Load(); n != 2 {
		t.Errorf("%d reminders", n)
	}
}

func ExampleHub_Advance() {
	t := &exampleT{} // the test's own t
	defer t.end()
	fake := remind.By(func(_ context.Context, order string) (string, error) { return "reminded", nil })

	hub := durabletest.New(t, approve, fake)
	run, err := approve.Start(context.Background(), hub, "order-3")
	if err != nil {
		t.Fatal(err)
	}
	hub.Advance(7 * 24 * time.Hour)
	fmt.Println(run.Wait(context.Background()))
	// Output: expired <nil>
}

// exampleT stands in for a test's t in an example.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (*exampleT) Helper()             {}
func (t *exampleT) Cleanup(f func())  { t.cleanups = append(t.cleanups, f) }
func (*exampleT) Logf(string, ...any) {}

// end does what a test's end does.
func (t *exampleT) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}
