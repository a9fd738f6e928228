package worker

import (
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker/replay"
)

// entityBatch applies operations to an entity's state, each all or nothing.
//
// A state without a cheap copy is taken back to its last encoding. Encoding it
// before each operation would cost far more than the operations, and few fail: so
// the batch runs without, and when an operation fails after others have changed
// the state, the batch starts over from the stored state, this time encoding
// before that operation. What the first run did is forgotten altogether, so that
// nothing relies on the second doing the same. After a few such failures, and if
// the final state cannot be encoded, the batch is run with care: encoding after
// each operation, which also finds the one whose fault it is.
type entityBatch struct {
	item *engine.EntityItem
	code guarded
	env  *Env
	mode Rollback
	opts *Options

	careful bool  // encode after each operation
	guarded []int // operations to encode before
	over    bool  // the batch must start over

	state   any    // nil: none
	bad     error  // the stored state cannot be decoded
	encoded []byte // payload of state, unless it has changed since
	changed bool
	backup  any // by copy: state before the operation that runs

	results []engine.OperationResult
	events  []model.Event
	bytes   int // of results and events

	call    *EntityCall // the operation that runs
	running bool        // its code is what runs
	base    int         // events before it

	traced *tracedBatch // nil: nothing is traced
}

func newEntityBatch(item *engine.EntityItem, code EntityType, env *Env, opts *Options) *entityBatch {
	return &entityBatch{item: item, code: guarded{EntityType: code}, env: env, opts: opts, mode: code.Rollback(), results: make([]engine.OperationResult, 0, len(item.Operations))}
}

// load sets the state: from a live copy, or decoded.
func (b *entityBatch) load(live any) {
	b.encoded = b.item.State
	switch {
	case b.item.State == nil:
	case live != nil:
		b.state = live
	default:
		b.state, b.bad = b.code.Decode(b.item.State)
	}
}

// run applies the operations that are left.
func (b *entityBatch) run() {
	for len(b.results) < len(b.item.Operations) && !b.full() {
		if !b.operate(&b.item.Operations[len(b.results)]) && !b.over {
			return
		}
		if b.over {
			b.startOver()
		}
	}
}

// full reports whether the batch should end here to stay within a step's limits.
func (b *entityBatch) full() bool {
	return len(b.results) > 0 && (len(b.events) >= b.opts.MaxStepEvents/2 || b.bytes >= b.opts.MaxStepBytes/2)
}

// operate applies one operation. It reports false if the operation does not fit
// into the batch any more.
func (b *entityBatch) operate(ev *model.Event) bool {
	op, ok := b.code.Operation(ev.Name)
	if b.traced != nil {
		b.traced.begin(b.item, ev)
	}
	switch {
	case !ok:
		b.fail(&model.Failure{Type: model.FailureUnknownOperation, NonRetriable: true,
			Message: fmt.Sprintf("entity %s has no operation %q", b.item.Instance, ev.Name)})
		return true
	case op.Delete:
		b.remove()
		b.add(engine.OperationResult{})
		return true
	case b.bad != nil:
		b.fail(&model.Failure{Type: "InvalidPayload", NonRetriable: true,
			Message: fmt.Sprintf("the state of entity %s cannot be used: %v", b.item.Instance, b.bad)})
		return true
	}
	state := b.state
	switch {
	case state == nil:
		state = b.code.NewState()
	case op.ReadOnly:
	case b.mode == ByCopy:
		var err error
		if b.backup, err = b.code.tryCopy(state, b.backup); err != nil {
			b.mode, b.careful, b.over = ByEncoding, true, true
			return false
		}
	case b.mode == ByEncoding && b.encoded == nil && slices.Contains(b.guarded, len(b.results)):
		var err error
		if b.encoded, err = b.code.Encode(state); err != nil {
			b.careful, b.over = true, true
			return false
		}
	}
	b.base = len(b.events)
	b.call = &EntityCall{Env: b.env, Item: b.item, Event: ev, batch: b}
	output, failure := b.invoke(op, state, ev.Payload)
	return b.conclude(op, state, output, failure)
}

// invoke runs the operation's code. If it ends the goroutine, b.exited goes on.
func (b *entityBatch) invoke(op Operation, state any, input []byte) (output []byte, failure *model.Failure) {
	b.running = true
	defer func() {
		if r := recover(); r != nil {
			b.running, failure = false, replay.PanicFailure(r, debug.Stack())
		}
	}()
	output, failure = op.Run(state, b.call, input)
	b.running = false
	return output, failure
}

// exited goes on after code has ended its goroutine: if that of an operation, it
// is taken back; if that of the state, the batch starts over and finds out where.
func (b *entityBatch) exited() {
	if !b.running {
		b.code.apart = true
		b.startOver()
		return
	}
	b.running = false
	op, _ := b.code.Operation(b.call.Event.Name)
	b.conclude(op, b.state, nil, replay.ExitFailure(nil))
	if b.over {
		b.startOver()
	}
}

// conclude keeps what the operation did, or takes it back.
func (b *entityBatch) conclude(op Operation, state any, output []byte, failure *model.Failure) bool {
	b.call.ended = true
	size := len(output)
	for i := b.base; i < len(b.events); i++ {
		size += replay.Size(&b.events[i])
	}
	var encoded []byte
	if failure == nil && (len(b.events) > b.opts.MaxStepEvents || b.bytes+size > b.opts.MaxStepBytes) {
		if b.mode == ByValidation { // nothing can be taken back
			b.mode, b.careful, b.over = ByEncoding, true, true
			return false
		}
		if b.base > 0 || len(b.results) > 0 {
			b.takeBack(op) // next batch
			return false
		}
		failure = &model.Failure{Type: model.FailureStepTooLarge, NonRetriable: true, Message: fmt.Sprintf(
			"an operation sent %d messages of %d bytes, at most %d of %d are allowed", len(b.events), size, b.opts.MaxStepEvents, b.opts.MaxStepBytes)}
	}
	if failure == nil && b.careful && !op.ReadOnly && !b.call.Delete {
		var err error
		if encoded, err = b.code.Encode(state); err != nil {
			failure = &model.Failure{Type: "InvalidPayload", NonRetriable: true, Message: err.Error()}
		}
	}
	if failure != nil {
		if b.takeBack(op); b.over {
			return false
		}
		b.fail(failure)
		return true
	}
	b.bytes += size
	b.add(engine.OperationResult{Output: output})
	switch {
	case b.call.Delete:
		b.remove()
	case !op.ReadOnly:
		b.state, b.encoded, b.changed = state, encoded, true
	}
	return true
}

// takeBack restores the state from before the operation that ran.
func (b *entityBatch) takeBack(op Operation) {
	b.events = b.events[:b.base]
	if b.state == nil || op.ReadOnly {
		return
	}
	switch b.mode {
	case ByCopy:
		b.state, b.backup = b.backup, b.state
	case ByEncoding:
		if b.encoded == nil {
			b.guarded, b.over = append(b.guarded, len(b.results)), true
			return
		}
		b.state, b.bad = b.code.Decode(b.encoded)
	}
}

// maxGuarded is how many operations of a batch may fail before it is run with care.
const maxGuarded = 4

// startOver begins the batch again from the stored state.
func (b *entityBatch) startOver() {
	*b = entityBatch{
		item: b.item, code: b.code, env: b.env, opts: b.opts, mode: b.mode, guarded: b.guarded,
		careful: b.careful || len(b.guarded) > maxGuarded, traced: b.traced,
	}
	if b.traced != nil {
		b.traced.done = nil
	}
	b.load(nil)
}

func (b *entityBatch) fail(f *model.Failure) {
	b.bytes += 100 + len(f.Message) + len(f.Stack)
	b.add(engine.OperationResult{Failure: f})
}

func (b *entityBatch) add(r engine.OperationResult) {
	b.results = append(b.results, r)
	if b.traced != nil {
		b.traced.conclude(r.Failure)
	}
}

func (b *entityBatch) remove() {
	b.state, b.encoded, b.bad, b.changed = nil, nil, nil, true
}

// result returns the outcome of the batch; nil means that it has been started over.
func (b *entityBatch) result() *engine.EntityResult {
	r := &engine.EntityResult{Token: b.item.Token, Now: b.item.Now, Results: b.results, Events: b.events, State: b.item.State}
	switch {
	case !b.changed:
	case b.state == nil:
		r.State = nil
	case b.encoded != nil:
		r.State = b.encoded
	default:
		payload, err := b.code.Encode(b.state)
		if err != nil {
			b.mode, b.careful = ByEncoding, true
			b.startOver()
			return nil
		}
		r.State = payload
	}
	return r
}
