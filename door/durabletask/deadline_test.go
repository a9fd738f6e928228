package durabletask

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// stopped is a clock that does not go on by itself.
type stopped struct {
	now time.Time
	d   time.Duration // when f is due
	f   func()
}

func (c *stopped) Wall() time.Time     { return c.now }
func (c *stopped) Mono() time.Duration { return 0 }
func (c *stopped) AfterFunc(d time.Duration, f func()) func() {
	c.d, c.f = d, f
	return func() { c.f = nil }
}

func TestAWaitEndsBeforeItsCallersDeadline(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for left, want := range map[time.Duration]time.Duration{
		50 * time.Millisecond: 45 * time.Millisecond,
		time.Second:           900 * time.Millisecond,
		time.Hour:             time.Hour - 100*time.Millisecond,
	} {
		clock := &stopped{now: now}
		ctx, cancel := context.WithDeadline(context.Background(), now.Add(left))
		_, err := untilNear(ctx, clock, func(early context.Context) (none struct{}, err error) {
			if clock.d != want {
				t.Errorf("with %v left a wait ends after %v, want %v", left, clock.d, want)
			}
			clock.f()
			<-early.Done()
			return none, early.Err()
		})
		if status.Code(err) != codes.DeadlineExceeded || ctx.Err() != nil || clock.f != nil {
			t.Errorf("a wait of %v ends with %v, its caller with %v, a timer is left: %v", left, err, ctx.Err(), clock.f != nil)
		}
		cancel()
	}
}

func TestAWaitThatHasFoundWhatItWantsSaysSo(t *testing.T) {
	clock := &stopped{now: time.Now()}
	ctx, cancel := context.WithDeadline(context.Background(), clock.now.Add(time.Hour))
	defer cancel()
	got, err := untilNear(ctx, clock, func(context.Context) (int, error) {
		clock.f()
		return 1, nil
	})
	if got != 1 || err != nil {
		t.Errorf("it is %d, %v", got, err)
	}
}

func TestAWaitWithoutADeadlineLastsAsLongAsItsCaller(t *testing.T) {
	clock := &stopped{now: time.Now()}
	ctx, cancel := context.WithCancel(context.Background())
	_, err := untilNear(ctx, clock, func(early context.Context) (none struct{}, err error) {
		if clock.f != nil {
			t.Error("there is a timer")
		}
		cancel()
		<-early.Done()
		return none, early.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}
