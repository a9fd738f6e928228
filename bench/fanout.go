package bench

import (
	"context"
	"fmt"

	"github.com/netherite-go/netherite/durable"
)

// fanWidth is how many activities an orchestration fans out to.
const fanWidth = 1_000

var (
	echo = durable.Activity("Echo", func(_ context.Context, n int) (int, error) { return n, nil })
	fan  = durable.Orchestration("FanOutFanIn", func(ctx *durable.Context, width int) (int, error) {
		calls := make([]*durable.Future[int], width)
		for i := range calls {
			calls[i] = echo.Call(ctx, i)
		}
		results, err := durable.All(ctx, calls...)
		if err != nil {
			return 0, err
		}
		sum := 0
		for _, r := range results {
			sum += r
		}
		return sum, nil
	})
)

// fanout is FanOutFanIn: orchestrations of 1,000 parallel trivial activities.
type fanout struct{ none }

func (*fanout) handlers() []durable.Handler { return []durable.Handler{echo, fan} }

func (*fanout) op(ctx context.Context, e *env, _, _ int) (int64, error) {
	run, err := fan.Start(ctx, e.hub, fanWidth)
	if err != nil {
		return 0, err
	}
	sum, err := run.Wait(ctx)
	if err != nil {
		return 0, err
	}
	e.samples.add(run.ID())
	if want := fanWidth * (fanWidth - 1) / 2; sum != want {
		return 0, fmt.Errorf("fanout: sum %d, expected %d", sum, want)
	}
	return fanWidth, nil
}
