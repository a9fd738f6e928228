// Package durable is what workflow authors import: orchestrations, activities
// and entities as ordinary Go code that survives any crash.
//
//	var Charge = durable.Activity("Charge", func(ctx context.Context, o Order) (Receipt, error) { ... })
//
//	var Buy = durable.Orchestration("Buy", func(ctx *durable.Context, o Order) (Receipt, error) {
//		receipt, err := Charge.Call(ctx, o, durable.Retry{Attempts: 5, First: time.Second, Factor: 2}).Await()
//		if err != nil {
//			return Receipt{}, err
//		}
//		return receipt, durable.Sleep(ctx, 72*time.Hour)
//	})
//
// # Handles
//
// A handle is a name and types. With Activity, Orchestration and Operation it
// carries its code; with DeclareActivity and DeclareOrchestration the code comes
// later, by By, where its dependencies are at hand, or stays in another program.
// A hub is given the code to serve when it is opened.
//
// # What is deterministic and what is not
//
// Activities do anything, at least once per call. Orchestrations coordinate: they
// are run again from their history after a crash, so they must take the same
// course given the same answers. Everything an orchestration needs is here:
// futures (Await, All, First, Completed), timers (Sleep), external events (Event),
// branches (Go), critical sections (Lock), time, GUIDs and logging (Context).
// Entities keep small states with operations that run one at a time.
//
// # Values and errors
//
// Values cross a Codec between any two of these, also inside one process, so live
// and replayed code see the same. Errors do too: name those that code on the other
// side distinguishes with NewError, and test with errors.Is; what arrives is a
// *TaskError.
package durable
