package partition

import (
	"fmt"
	"testing"

	"github.com/netherite-go/netherite/engine"
)

// TestInboxKeepsItsOrderHoweverItIsConsumed lets the inboxes of two entities outgrow
// what an instance keeps, by turns, and takes from them less, about half and all of
// what they have. The hub compares with a replay after each event.
func TestInboxKeepsItsOrderHoweverItIsConsumed(t *testing.T) {
	h := newTestHub(Config{Partitions: 1, MaxEntityBatch: 150}, t.Errorf)
	p := h.parts[0]
	sent, seen := map[string]int{}, map[string]int{}
	for round := range 12 {
		entity := fmt.Sprintf("@e@%d", round%2)
		for range []int{20, 220, 300, 1}[round/2%4] {
			p.apply(&Command{Op: OpSignal, Instance: entity, Name: "add", Payload: fmt.Appendf(nil, "%d", sent[entity])})
			sent[entity]++
		}
		for range 1 + round%3 {
			for _, item := range p.dispatch(10).Entities {
				for _, op := range item.Operations {
					if want := fmt.Sprint(seen[item.Instance]); string(op.Payload) != want {
						t.Fatalf("round %d: %s is given %s, want %s", round, item.Instance, op.Payload, want)
					}
					seen[item.Instance]++
				}
				p.apply(&EntityDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: &engine.EntityResult{
					Token: item.Token, Now: item.Now, Results: make([]engine.OperationResult, len(item.Operations)), State: []byte("1"),
				}})
			}
		}
	}
	for p.state.Stats().Ready > 0 {
		for _, item := range p.dispatch(10).Entities {
			seen[item.Instance] += len(item.Operations)
			p.apply(&EntityDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: &engine.EntityResult{
				Token: item.Token, Now: item.Now, Results: make([]engine.OperationResult, len(item.Operations)), State: []byte("1"),
			}})
		}
	}
	if fmt.Sprint(seen) != fmt.Sprint(sent) {
		t.Errorf("operations run: %v, sent: %v", seen, sent)
	}
}
