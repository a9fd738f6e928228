package netherite

import (
	"fmt"
	"sync"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// What becomes large is said in the log in good time. A history that is too long
// fails its orchestration: every worker that has no live copy reads all of it for
// each step.

const (
	largePayload = 512 << 10 // bytes of a payload from which on the log says so
	longHistory  = 4_096     // events of a history from which on it does
	largeEvery   = time.Minute
)

// seldom lets something be said once in a while, with how often it was not.
type seldom struct {
	mu      sync.Mutex
	said    bool
	last    time.Duration
	skipped int
}

// now reports whether it is time to say it.
func (s *seldom) now(now time.Duration) (skipped int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.said && now-s.last < largeEvery {
		s.skipped++
		return 0, false
	}
	skipped, s.skipped, s.last, s.said = s.skipped, 0, now, true
	return skipped, true
}

// noteSize warns of a large payload.
func (e *Engine) noteSize(what, name string, size int) {
	if size < largePayload {
		return
	}
	if skipped, ok := e.largePayloads.now(e.opts.Clock.Mono()); ok {
		e.log.Warn("a payload is large: it is written, sent and kept as a whole; keep large data elsewhere and pass on where",
			"what", what, "name", name, "bytes", size, "limit", e.opts.MaxPayload, "not_logged", skipped)
	}
}

// tooLong fails a step whose orchestration's history is beyond the limit, and warns
// of one that becomes long. It reports whether the step is over.
func (h *host) tooLong(i *engine.OrchestrationItem) bool {
	o := &h.n.e.opts
	switch {
	case i.PastEvents < longHistory && i.PastEvents < o.MaxHistoryEvents && i.PastBytes < o.MaxHistoryBytes:
		return false // nearly always
	case i.PastEvents >= o.MaxHistoryEvents || i.PastBytes >= o.MaxHistoryBytes:
		f := &model.Failure{Type: model.FailureHistoryTooLarge, NonRetriable: true, Message: fmt.Sprintf(
			"the history has %d events of %d bytes, and no more than %d events and %d bytes are allowed: continue as new before that",
			i.PastEvents, i.PastBytes, o.MaxHistoryEvents, o.MaxHistoryBytes)}
		h.post(input{ev: stepDone(&engine.OrchestrationResult{Token: i.Token, Now: i.Now, Events: []model.Event{{
			Kind: model.ExecutionCompleted, ID: model.NoID, Failure: f, Ext: &model.Ext{Status: model.Failed},
		}}})})
		return true
	}
	if skipped, ok := h.n.e.longHistories.now(o.Clock.Mono()); ok {
		h.n.e.log.Warn("a history is long: continue as new before it is too long",
			"instance", i.Instance, "name", i.Name, "events", i.PastEvents, "bytes", i.PastBytes, "limit", o.MaxHistoryEvents, "not_logged", skipped)
	}
	return false
}
