package durabletask_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// drain has the service and its hub drain; the channel has how that ended.
func (r *rig) drain() <-chan error {
	r.svc.Drain()
	ended := make(chan error, 1)
	go func() { ended <- r.hub.Drain(r.ctx) }()
	return ended
}

func TestWhileADoorDrainsWorkersCompleteWhatTheyHaveAndGetNothing(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), schedule(0, "Greet", ""))
	greet := w.task("Greet")
	r.signal("@e@1", "add", "")
	batch := w.batch("@e@1")
	r.start("y", "Tour")
	step := w.step("y")
	ended := r.drain()

	refused, err := r.GetWorkItems(r.ctx, everything())
	if err == nil {
		_, err = refused.Recv()
	}
	wantCode(t, codes.Unavailable, err)
	_, err = r.WaitForInstanceCompletion(r.ctx, &wire.GetInstanceRequest{InstanceId: "x"})
	wantCode(t, codes.Unavailable, err)
	r.start("z", "Tour")
	r.signal("@e@1", "add", "")
	w.did(greet, "1")
	w.applied(batch, "1", "")
	select {
	case err := <-ended:
		t.Errorf("it does not wait for a step: %v", err)
	default:
	}
	w.answer(step, schedule(0, "Greet", ""))
	if err := <-ended; err != nil {
		t.Error(err)
	}
	r.svc.Close()
	<-w.failed
	w.nothing()
	if got := r.entity("@e@1").GetEntity().GetSerializedState().GetValue(); got != "1" {
		t.Errorf("state %q", got)
	}
}

// Nobody would complete what an SDK without entities has dropped.
func TestADrainDoesNotWaitForOperationsThatAWorkerHasDropped(t *testing.T) {
	for name, order := range map[string]bool{"before": true, "after": false} {
		r := openVirtual(t)
		deaf := r.work(everything())
		r.signal("@e@1", "add", "")
		deaf.batch("@e@1")
		r.signal("@f@1", "add", "") // it waits until the first one is answered
		var ended <-chan error
		if order {
			r.clock.Advance(trialTime)
			r.noHandler("@e@1", "entity e")
			ended = r.drain()
		} else {
			ended = r.drain()
			for len(ended) == 0 && r.ctx.Err() == nil {
				r.clock.Advance(trialTime)
			}
		}
		if err := <-ended; err != nil {
			t.Errorf("the drain begins %s it is noticed: %v", name, err)
		}
	}
}
