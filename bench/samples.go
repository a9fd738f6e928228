package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/netherite-go/netherite/model"
)

// maxSamples is how many instances a run remembers to look at afterwards.
const maxSamples = 32

// samples remembers some of the instances of a run, each with the same chance,
// however many there are: a reservoir. The zero value is ready.
type samples struct {
	mu     sync.Mutex
	ids    []string
	n      int // how many were added
	random *rand.Rand
}

// samplesSeed makes runs comparable: the same places of a run are looked at.
const samplesSeed = 32

// add considers an instance that has finished.
func (s *samples) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if len(s.ids) < maxSamples {
		s.ids = append(s.ids, id)
		return
	}
	if s.random == nil {
		s.random = rand.New(rand.NewPCG(samplesSeed, 0))
	}
	if at := s.random.IntN(s.n); at < maxSamples {
		s.ids[at] = id
	}
}

// first returns one of them, "" if there is none.
func (s *samples) first() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ids) == 0 {
		return ""
	}
	return s.ids[0]
}

// check reads the full history of each sampled instance.
func (s *samples) check(ctx context.Context, e *env) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.ids {
		events, err := e.hub.Engine().History(ctx, id)
		if err != nil {
			return fmt.Errorf("history of %s: %w", id, err)
		}
		if err := checkHistory(events); err != nil {
			return fmt.Errorf("history of %s: %w", id, err)
		}
	}
	return nil
}

// checkHistory verifies that the history of an orchestration that awaited all it
// asked for is whole: it begins and ends as it must, and everything asked for was
// answered exactly once; timers, which may have been cancelled, at most once.
func checkHistory(events []model.Event) error {
	if len(events) < 3 || events[0].Kind != model.OrchestratorStarted || events[1].Kind != model.ExecutionStarted {
		return fmt.Errorf("it does not begin with OrchestratorStarted and ExecutionStarted (%d events)", len(events))
	}
	if last := events[len(events)-1]; last.Kind != model.ExecutionCompleted {
		return fmt.Errorf("it ends with %s", last.Kind)
	}
	asked, requests := map[int32]model.Kind{}, map[string]model.Kind{}
	next := int32(-1)
	for i := range events {
		e := &events[i]
		if e.Kind.Outgoing() {
			if e.ID <= next {
				return fmt.Errorf("event %d: ID %d after %d", i, e.ID, next)
			}
			next = e.ID
			switch asked[e.ID] = e.Kind; e.Kind {
			case model.EntityCalled, model.EntityLockRequested:
				requests[e.RequestID] = e.Kind
			}
			continue
		}
		var want model.Kind
		switch e.Kind {
		case model.EntityResponded, model.EntityOperationFailed, model.EntityLockGranted:
			want = model.EntityCalled
			if e.Kind == model.EntityLockGranted {
				want = model.EntityLockRequested
			}
			if got := requests[e.RequestID]; got != want {
				return fmt.Errorf("event %d: %s answers request %q, which is %s", i, e.Kind, e.RequestID, got)
			}
			delete(requests, e.RequestID)
			continue
		case model.TaskCompleted, model.TaskFailed:
			want = model.TaskScheduled
		case model.TimerFired:
			want = model.TimerCreated
		case model.ChildCompleted, model.ChildFailed:
			want = model.ChildCreated
		default:
			continue
		}
		if got := asked[e.Ref]; got != want {
			return fmt.Errorf("event %d: %s answers #%d, which is %s", i, e.Kind, e.Ref, got)
		}
		delete(asked, e.Ref)
	}
	return unanswered(asked, requests)
}

// unanswered reports what was asked for and never answered.
func unanswered(asked map[int32]model.Kind, requests map[string]model.Kind) error {
	for id, k := range asked {
		if k == model.TaskScheduled || k == model.ChildCreated {
			return fmt.Errorf("%s #%d was never answered", k, id)
		}
	}
	for id, k := range requests {
		return fmt.Errorf("%s, request %q, was never answered", k, id)
	}
	return nil
}
