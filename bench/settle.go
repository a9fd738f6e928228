package bench

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// settle waits until an instance has ended, and checks what it came to.
func settle(ctx context.Context, hub durable.Hub, id string, withHistory bool) (o outcome, err error) {
	m, err := hub.Engine().Wait(ctx, id, engine.UntilEnded, engine.GetOptions{Payloads: true})
	if err != nil {
		return o, err
	}
	if m.Status != model.Completed {
		why := "without a failure"
		if m.Failure != nil {
			why = m.Failure.Error()
		}
		return o, fmt.Errorf("it ended as %s: %s", m.Status, why)
	}
	if withHistory {
		events, err := hub.Engine().History(ctx, id)
		if err == nil {
			err = checkHistory(events)
		}
		if err != nil {
			return o, fmt.Errorf("history: %w", err)
		}
	}
	o.output = string(m.Output)
	if m.Name != transferMoney.Name() || o.output != "true" {
		return o, nil
	}
	var t Transfer
	if err := json.Unmarshal(m.Input, &t); err != nil {
		return o, fmt.Errorf("input: %w", err)
	}
	o.moved = t.Amount
	return o, nil
}
