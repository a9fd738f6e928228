//go:build unix

package chaos

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// run is one run of clients against a hub: what they have in common.
type run struct {
	door      door
	perLedger int           // requests between two audits of a client
	pace      time.Duration // mean pause between two requests of a client
	begun     time.Time

	mu         sync.Mutex
	counts     [kinds][answered + 1]int
	violations []string
	broken     chan struct{} // closed at the first violation
	full       chan struct{} // closed at the next refusal for lack of space
	refusals   int           // attempts that were refused

	audited int                // orchestrations and signals
	moved   int64              // by transfers
	timers  int                // that were not early
	doubt   map[string]bool    // starts of which the outcome is not known
	signals map[string][]int64 // the same of signals, by entity
	kept    map[string]bool    // prefixes of what was settled and not forgotten
}

func newRun() *run {
	return &run{
		perLedger: 100, begun: time.Now(), broken: make(chan struct{}), full: make(chan struct{}),
		doubt: map[string]bool{}, signals: map[string][]int64{}, kept: map[string]bool{},
	}
}

// maxViolations bounds how many are told.
const maxViolations = 20

// violate notes that something is wrong.
func (r *run) violate(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.violations) == 0 {
		close(r.broken)
	}
	if len(r.violations) < maxViolations {
		r.violations = append(r.violations, fmt.Sprintf("%6.2fs ", time.Since(r.begun).Seconds())+fmt.Sprintf(format, args...))
	}
}

// report fails the test for each violation.
func (r *run) report(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.violations {
		t.Error(v)
	}
}

func (r *run) count(k kind, o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[k][o]++
}

// total is how many requests had an outcome.
func (r *run) total(o outcome) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.counts {
		n += c[o]
	}
	return n
}

// refusal notes an attempt that was refused.
func (r *run) refusal(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusals++
	if errors.Is(err, engine.ErrDiskFull) {
		select {
		case <-r.full:
		default:
			close(r.full)
		}
	}
}

// settled takes down an audit of a ledger: so many orchestrations were there, so
// many signals had been given. With keep, the hub keeps them.
func (r *run) settled(l *ledger, there, signals int, moved int64, keep bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.audited += there + signals
	r.moved += moved
	if keep {
		r.kept[l.prefix] = true
	}
	for _, e := range l.entries {
		if e.start == unknown {
			r.doubt[e.id] = true
		}
	}
	if doubts := l.doubts(); len(doubts) > 0 {
		r.signals[l.prefix] = doubts
	}
}

// expected says whether an orchestration may be there: it was kept, or its start
// was in doubt and came late.
func (r *run) expected(m *model.Instance) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := m.ID
	if m.Parent != nil {
		id = m.Parent.Instance
	}
	if r.doubt[id] {
		return true
	}
	for prefix := range r.kept {
		if strings.HasPrefix(id, prefix) {
			return true
		}
	}
	return false
}

func (r *run) isKept(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept[key]
}

func (r *run) doubtsOf(key string) []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.signals[key])
}
