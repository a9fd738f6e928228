package durabletask

import (
	"slices"
	"sync"

	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
)

// desk knows what the workers of one hub have: completions come by calls of
// their own, on any connection, and name the item by its token. Early SDKs send no
// token: then it is the item of the instance that they name, and of the task.
type desk struct {
	mu       sync.Mutex
	tokens   map[string]*held
	places   places
	sessions map[*session]struct{}
	failing  map[string]*failing // by entity
}

// place is where an item is from: a step of an instance, or an activity.
type place struct {
	kind     engine.ItemKind
	instance string
	task     int32
}

// held is an item that a worker has.
type held struct {
	place
	s     *session
	text  string // the completion token
	token engine.Token
	// One of these, for a step.
	orchestration *engine.OrchestrationItem
	attempt       *attempt // nil unless it is a trial
	entity        *engine.EntityItem
	history       *translate.History // of an orchestration: what the worker has been told
	traced        *traced            // nil: nobody wants spans of it
	sent          []int32            // of an orchestration: the IDs of the actions by which it has sent events

	mu        sync.Mutex
	cancelled bool
	actions   []*wire.OrchestratorAction // of the chunks that have come
	chunks    int32
	bytes     int // of the chunks
}

func newDesk() *desk {
	return &desk{tokens: map[string]*held{}, places: places{}, sessions: map[*session]struct{}{}, failing: map[string]*failing{}}
}

// enter notes a worker at its hub's desk.
func (s *Service) enter(hub Hub, w *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.hubs[hub]
	if d == nil {
		d = newDesk()
		s.hubs[hub] = d
	}
	w.d = d
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sessions[w] = struct{}{}
}

// leave removes a worker that is gone, with all that it has, and a desk that
// nobody is at any more.
func (s *Service) leave(hub Hub, w *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.d.leave(w) == 0 && s.hubs[hub] == w.d {
		delete(s.hubs, hub)
	}
}

// desk returns the desk of a hub. One that nobody is at has nothing.
func (s *Service) desk(hub Hub) *desk {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.hubs[hub]; d != nil {
		return d
	}
	return newDesk()
}

// called returns the sessions of the worker that calls its stream so: one that has
// connected anew may have had others, of which the server has not noticed the end.
func (d *desk) called(stream string) (all []*session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for w := range d.sessions { // order-free: each is told the same
		if w.stream == stream {
			all = append(all, w)
		}
	}
	return all
}

// put notes an item that goes to a worker, unless the worker has left.
func (d *desk) put(h *held) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, here := d.sessions[h.s]; !here {
		return false
	}
	d.tokens[h.text] = h
	d.places.put(h)
	h.s.held[h.token] = h
	return true
}

// find returns the item that a completion is for, nil if it is nobody's any more.
func (d *desk) find(token string, p place, peer string) *held {
	d.mu.Lock()
	defer d.mu.Unlock()
	if token != "" {
		h := d.tokens[token]
		if h == nil || h.kind != p.kind {
			return nil
		}
		return h
	}
	return d.places.first(p, peer)
}

// batch returns the batch of operations that has these requests, in their order.
// Early SDKs do not say more of it.
func (d *desk) batch(infos []*wire.OperationInfo) *held {
	if len(infos) == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.tokens { // order-free: requests are of one batch only
		if h.entity != nil && slices.EqualFunc(infos, translate.Requests(h.entity, len(infos)), func(i *wire.OperationInfo, request string) bool {
			return i.GetRequestId() == request
		}) {
			return h
		}
	}
	return nil
}

// take removes an item. It reports whether it was there: of several calls for the
// same item one takes it.
func (d *desk) take(h *held) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tokens[h.text] != h {
		return false
	}
	d.remove(h)
	return true
}

func (d *desk) remove(h *held) {
	delete(d.tokens, h.text)
	d.places.remove(h)
	if h.s.held[h.token] == h {
		delete(h.s.held, h.token)
	}
}

// leave removes a worker that is gone, and all that it has. It returns how many
// workers are left.
func (d *desk) leave(s *session) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sessions, s)
	for _, h := range s.held { // order-free: removes
		d.remove(h)
	}
	return len(d.sessions)
}

// cancel notes that nobody wants the outcome of an item any more, which it returns.
func (d *desk) cancel(s *session, t engine.Token) *held {
	d.mu.Lock()
	h := s.held[t]
	d.mu.Unlock()
	if h != nil {
		h.mu.Lock()
		h.cancelled = true
		h.mu.Unlock()
	}
	return h
}

func (h *held) isCancelled() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cancelled
}
