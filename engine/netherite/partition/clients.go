package partition

import (
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// Bounds of request deduplication.
const (
	// SessionWindow is how many requests of one session may be unresolved.
	SessionWindow = 4096
	// SessionRetention is how long an unused session is remembered.
	SessionRetention = time.Hour
	// KeyRetention is how long a key that a caller chose is remembered.
	KeyRetention = time.Hour
	// MaxSessions and MaxKeys bound them in number; the oldest go first.
	MaxSessions = 10_000
	MaxKeys     = 65_536
)

// clients remembers which requests were applied: per session a floor, below
// which all is resolved, and a window of those above; and the keys that callers
// chose. Order of use is order in the lists, so that expiry is deterministic.
type clients struct {
	sessions map[[16]byte]*session
	keys     map[string]*requestKey
	// unused is a time before which no session was used last; 0 if not known. It
	// saves looking at all of them, and decides nothing.
	unused model.Time
	// keyOrder lists keys from the oldest; deadSessions and deadKeys those whose
	// stored rows are to be deleted.
	keyOrder     []*requestKey
	deadSessions [][16]byte
	deadKeys     []string
	dirty        []*session
	newKeys      []*requestKey
}

type session struct {
	id     [16]byte
	floor  uint64 // all below are resolved
	window [SessionWindow / 64]uint64
	used   model.Time
	stored bool
	dirty  bool
}

// requestKey is a key that a caller chose, with what its request started.
type requestKey struct {
	key       string // as scoped by keyFor
	ord       uint64 // orders the keys: the wall clock may go back
	at        model.Time
	execution model.ExecutionID
	stored    bool
}

// keyFor scopes a caller's key by what it asks for: the same key means the same
// request only for the same operation on the same instance, wherever that lives.
func keyFor(op Op, instance, key string) string {
	return string([]byte{byte(op)}) + instance + "\x00" + key
}

func (c *clients) init() {
	c.sessions, c.keys = map[[16]byte]*session{}, map[string]*requestKey{}
}

// applied reports whether a request that is not below the floor has taken
// effect before.
func (ses *session) applied(seq uint64) bool {
	return seq < ses.floor+SessionWindow && ses.window[seq/64%uint64(len(ses.window))]>>(seq%64)&1 != 0
}

// raise moves the floor up and forgets what falls below it.
func (ses *session) raise(floor uint64) {
	if floor >= ses.floor+SessionWindow {
		clear(ses.window[:])
		ses.floor = floor
		return
	}
	for ; ses.floor < floor; ses.floor++ {
		ses.window[ses.floor/64%uint64(len(ses.window))] &^= 1 << (ses.floor % 64)
	}
}

// checkClient decides about a request before it is logged: whether it is a
// repetition, or too old to tell. retry says that it may have been sent before.
func (s *State) checkClient(c *Client, op Op, instance string, retry bool, ans *Answer) Verdict {
	if planted.StartAppliedTwice && op == opStart {
		return Admit
	}
	if c.Key != "" {
		if k := s.clients.keys[keyFor(op, instance, c.Key)]; k != nil && s.now.Sub(k.at) < KeyRetention && !(planted.RetryAppliedTwice && s.now.Sub(k.at) > time.Second) {
			mark.Hit(mark.KeyRepeated)
			ans.Started.Execution = k.execution
			return Refuse
		}
	}
	if c.Seq == 0 {
		return Admit
	}
	ses := s.clients.sessions[c.Session]
	if ses == nil {
		ses = &noSession
	}
	switch {
	case (ses == &noSession && retry || c.Seq < ses.floor) && !planted.RetryAfterWindow, planted.UnknownTooOften && c.Seq%16 == 0, c.Seq >= max(ses.floor, c.lowest())+SessionWindow:
		mark.Hit(mark.RequestTooOld)
		ans.Err = engine.ErrOutcomeUnknown
		return Refuse
	case ses.applied(c.Seq):
		mark.Hit(mark.SessionRepeated)
		return Refuse // done before: the same answer as then
	}
	return Admit
}

var noSession session

// lowest is the request's floor, which cannot be above itself.
func (c *Client) lowest() uint64 { return min(c.Floor, c.Seq) }

// resolve remembers that a request has been applied.
func (s *State) resolve(c *Client, op Op, instance string, execution model.ExecutionID) {
	if c.Seq != 0 {
		ses := s.clients.sessions[c.Session]
		if ses == nil {
			ses = s.openSession(c.Session)
		}
		ses.raise(c.lowest())
		ses.window[c.Seq/64%uint64(len(ses.window))] |= 1 << (c.Seq % 64)
		ses.used = max(ses.used, s.now)
		if !ses.dirty {
			ses.dirty = true
			s.clients.dirty = append(s.clients.dirty, ses)
		}
	}
	if c.Key != "" {
		s.remember(keyFor(op, instance, c.Key), execution)
	}
}

// openSession makes room for a session and adds it.
func (s *State) openSession(id [16]byte) *session {
	c := &s.clients
	if c.unused == 0 || s.now.Sub(c.unused) > SessionRetention || len(c.sessions) >= MaxSessions {
		s.closeSessions()
	}
	ses := &session{id: id, used: s.now}
	c.sessions[id] = ses
	c.unused = min(c.unused, s.now)
	return ses
}

// closeSessions forgets those that have not been used for long, and the one used
// least recently if that leaves no room.
func (s *State) closeSessions() {
	c := &s.clients
	var oldest *session
	for _, ses := range c.sessions { // order-free: the result does not depend on it
		if s.now.Sub(ses.used) > SessionRetention {
			s.closeSession(ses)
		} else if oldest == nil || ses.used < oldest.used || ses.used == oldest.used && string(ses.id[:]) < string(oldest.id[:]) {
			oldest = ses
		}
	}
	if c.unused = s.now; oldest != nil {
		c.unused = oldest.used
	}
	if len(c.sessions) >= MaxSessions {
		s.closeSession(oldest)
	}
}

func (s *State) closeSession(ses *session) {
	mark.Hit(mark.SessionClosed)
	delete(s.clients.sessions, ses.id)
	if ses.stored {
		s.clients.deadSessions = append(s.clients.deadSessions, ses.id)
	}
}

// remember adds a key and drops those that are too old or too many.
func (s *State) remember(key string, execution model.ExecutionID) {
	c := &s.clients
	if old := c.keys[key]; old != nil {
		s.forgetKey(old)
		for i, k := range c.keyOrder {
			if k == old {
				c.keyOrder = append(c.keyOrder[:i:i], c.keyOrder[i+1:]...)
				break
			}
		}
	}
	for len(c.keyOrder) > 0 && (len(c.keyOrder) >= MaxKeys || s.now.Sub(c.keyOrder[0].at) >= KeyRetention) {
		s.forgetKey(c.keyOrder[0])
		c.keyOrder = c.keyOrder[1:]
	}
	k := &requestKey{key: key, ord: s.ordinal(), at: s.now, execution: execution}
	c.keys[key] = k
	c.keyOrder = append(c.keyOrder, k)
	c.newKeys = append(c.newKeys, k)
}

func (s *State) forgetKey(k *requestKey) {
	mark.Hit(mark.KeyForgotten)
	delete(s.clients.keys, k.key)
	if k.stored {
		s.clients.deadKeys = append(s.clients.deadKeys, k.key)
	}
}
