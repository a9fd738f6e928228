package engine

import "context"

type heldKey struct{}

// UntilDone returns a context for a Query or History of a door: what they return
// counts as held in memory until ctx is done, when it has been sent, and not only
// until they return it. Engines bound what is held. It is for one call: what each
// has returned is held.
func UntilDone(ctx context.Context) context.Context {
	return context.WithValue(ctx, heldKey{}, true)
}

// HeldUntilDone reports whether ctx is one of UntilDone, and may be done.
func HeldUntilDone(ctx context.Context) bool {
	return ctx.Done() != nil && ctx.Value(heldKey{}) != nil
}
