package check

import (
	"fmt"

	"github.com/netherite-go/netherite/model"
)

// Keys checks that a call of an activity has the same idempotency key whenever it
// runs: for each of its attempts, and when a crash has the orchestration make it
// again. It is for orchestrations that make no two calls with one name and input.
type Keys struct{ known map[call]string }

type call struct {
	execution   model.ExecutionID
	name, input string
}

// NewKeys returns a checker that knows of no call.
func NewKeys() *Keys { return &Keys{map[call]string{}} }

// Ran notes that an activity has run for a call, with a key.
func (k *Keys) Ran(execution model.ExecutionID, name string, input []byte, key string) error {
	c := call{execution, name, string(input)}
	if was, ok := k.known[c]; ok && was != key {
		return fmt.Errorf("idempotency: %s(%s) of execution %v has the key %s, and had %s before", name, input, execution, key, was)
	}
	k.known[c] = key
	return nil
}
