package worker

import (
	"fmt"
)

// guarded runs the code that a state type brings along for its encoding and
// copying (MarshalJSON, Clone, a codec) so that a panic in it is an error of the
// operation and not the end of the process.
type guarded struct{ EntityType }

// Decode implements EntityType.
func (g guarded) Decode(payload []byte) (state any, err error) {
	defer recovered("decoding", &err)
	return g.EntityType.Decode(payload)
}

// Encode implements EntityType.
func (g guarded) Encode(state any) (payload []byte, err error) {
	defer recovered("encoding", &err)
	return g.EntityType.Encode(state)
}

// tryCopy is Copy, with an error if it panics.
func (g guarded) tryCopy(state, into any) (backup any, err error) {
	defer recovered("copying", &err)
	return g.EntityType.Copy(state, into), nil
}

// recovered turns a panic into an error.
func recovered(what string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s the entity's state panicked: %v", what, r)
	}
}
