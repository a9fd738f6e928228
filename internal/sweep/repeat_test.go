package sweep_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/histories"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// repeatEvery is of how many recoveries one is made again, from a copy of the image. The
// outcome must repeat, not the trace: which goroutine comes first differs.
const repeatEvery = 20

// repeats recovers a copy of an image that has been recovered, and holds that all comes to
// the same end.
func (s *sweep) repeats(first *recovery, fs *faultfs.FS) error {
	s.mu.Lock()
	s.repeated++
	s.mu.Unlock()
	r := recovery{scenario: first.scenario, asked: first.asked, granted: first.granted}
	if err := r.run(fs); err != nil {
		return fmt.Errorf("the second time: %w", err)
	}
	both := maps.Clone(first.outcome)
	maps.Copy(both, r.outcome)
	for _, id := range slices.Sorted(maps.Keys(both)) {
		if a, b := first.outcome[id], r.outcome[id]; a != b {
			return fmt.Errorf("two recoveries from one image differ in %s:\n%s\n\n%s", id, orAbsent(a), orAbsent(b))
		}
	}
	return nil
}

func orAbsent(outcome string) string {
	if outcome == "" {
		return "it is not there"
	}
	return outcome
}

// look notes how everything has ended: statuses, outputs, histories, and the states of
// entities.
func (r *recovery) look() error {
	r.outcome = map[string]string{}
	for _, entities := range []bool{false, true} {
		q := engine.Query{Entities: entities, GetOptions: engine.GetOptions{Payloads: true}}
		for inst, err := range durable.Query(r.ctx, r.hub, q) {
			if err != nil {
				return err
			}
			if _, twice := r.outcome[inst.ID]; twice {
				return fmt.Errorf("a query lists %s twice", inst.ID)
			}
			if entities {
				r.outcome[inst.ID] = stateOf(inst)
				continue
			}
			history, err := r.hub.Engine().History(r.ctx, inst.ID)
			if err != nil {
				return fmt.Errorf("history of %s: %w", inst.ID, err)
			}
			r.outcome[inst.ID] = fmt.Sprintf("%s %v %s %v\n%s", inst.Name, inst.Status, inst.Output, inst.Failure, past(inst.Name, history))
		}
	}
	return nil
}

// stateOf leaves out the order of what different senders have entered into a book.
func stateOf(inst *model.Instance) string {
	state := string(inst.Entity.State)
	if strings.HasPrefix(inst.ID, books.Key("").InstanceID()) {
		entries := strings.Split(strings.Trim(state, "[]"), ",")
		slices.Sort(entries)
		state = strings.Join(entries, ",")
	}
	return fmt.Sprintf("state %s, locked by %q, %d wait", state, inst.Entity.LockedBy, inst.Entity.Backlog)
}

// chance is what one execution was told that depends on what others did before it: the
// balance of an account in between, and how many words were there before they were asked for.
var chance = regexp.MustCompile(`(EntityOperationCompleted .* payload=)"[^"]*"|carried=\d+`)

// past is a history without times and the order of answers.
func past(name string, history []model.Event) string {
	return chance.ReplaceAllString(strings.Join(histories.Canonical(history), "\n"), "$1")
}

func TestTwoRecoveriesOfOneImageAreCompared(t *testing.T) {
	w, fs := newWorkload(t.Context()), faultfs.New()
	if err := mixed(w, fs, 1); err != nil {
		t.Fatal(err)
	}
	s := &sweep{scenario: scenarios[0]}
	r := recovery{scenario: s.scenario, asked: w.Asked(), granted: w.Granted()}
	if err := r.run(whole(fs)); err != nil {
		t.Fatal(err)
	}
	if err := s.repeats(&r, whole(fs)); err != nil {
		t.Error(err)
	}
	for id, was := range r.outcome { // order-free: each by itself
		r.outcome[id] = was + "?"
		if err := s.repeats(&r, whole(fs)); err == nil || !strings.Contains(err.Error(), id) {
			t.Errorf("%s differs: %v", id, err)
		}
		r.outcome[id] = was
		break
	}
	r.outcome["more"] = "is there"
	if err := s.repeats(&r, whole(fs)); err == nil || !strings.Contains(err.Error(), "more") {
		t.Errorf("one is there only once: %v", err)
	}
}
