package worker

import "fmt"

// guarded runs the code that a state type brings along for its encoding and
// copying (MarshalJSON, Clone, a codec) so that a panic in it is an error of the
// operation and not the end of the process.
//
// Nothing can stop code that ends its goroutine. Once that has happened, the batch
// starts over with such code in a goroutine apart: then it is an error, too.
type guarded struct {
	EntityType
	apart bool
}

// Decode implements EntityType.
func (g guarded) Decode(payload []byte) (state any, err error) {
	if g.apart {
		return apart("decoding", func() (any, error) { return g.EntityType.Decode(payload) })
	}
	defer recovered("decoding", &err)
	return g.EntityType.Decode(payload)
}

// Encode implements EntityType.
func (g guarded) Encode(state any) (payload []byte, err error) {
	if g.apart {
		return apart("encoding", func() ([]byte, error) { return g.EntityType.Encode(state) })
	}
	defer recovered("encoding", &err)
	return g.EntityType.Encode(state)
}

// tryCopy is Copy, with an error if it panics.
func (g guarded) tryCopy(state, into any) (backup any, err error) {
	if g.apart {
		return apart("copying", func() (any, error) { return g.EntityType.Copy(state, into), nil })
	}
	defer recovered("copying", &err)
	return g.EntityType.Copy(state, into), nil
}

// apart runs f in a goroutine that it may end.
func apart[T any](what string, f func() (T, error)) (v T, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = fmt.Errorf("%s the entity's state ended its goroutine (runtime.Goexit, or FailNow of a test)", what)
		defer recovered(what, &err)
		v, err = f()
	}()
	<-done
	return v, err
}

// recovered turns a panic into an error.
func recovered(what string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s the entity's state panicked: %v", what, r)
	}
}
