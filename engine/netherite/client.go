package netherite

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"unicode/utf8"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
)

// Start implements engine.Client.
func (e *Engine) Start(ctx context.Context, r engine.StartRequest) (engine.Started, error) {
	r.Tags = maps.Clone(r.Tags) // the caller's own may change while the instance has these
	unused := r.Instance == "" && r.Key == ""
	if r.Instance == "" {
		r.Instance = e.chooseID(r.Key)
	}
	err := e.checkOrchestration(r.Instance)
	if err == nil {
		err = e.checkStart(&r)
	}
	if err == nil {
		err = e.admit(startIntake, len(r.Input))
	}
	if err != nil {
		return engine.Started{}, describe("start", r.Instance, err)
	}
	defer e.leave(len(r.Input))
	c := newCall()
	ev := &partition.Start{Client: partition.Client{Key: r.Key}, Request: r, Unused: unused, Caller: c}
	c.ev = ev
	if err := e.sendWrite(ctx, r.Instance, c, &ev.Client, &ev.Retry); err != nil {
		return engine.Started{}, describe("start", r.Instance, err)
	}
	return c.ans.Started, nil
}

// checkStart validates what Start was given beyond the ID.
func (e *Engine) checkStart(r *engine.StartRequest) error {
	if err := model.ValidateName("orchestration", r.Name); err != nil {
		return fmt.Errorf("%w: %w", engine.ErrInvalid, err)
	}
	if err := model.ValidateVersion(r.Version); err != nil {
		return invalid(err)
	}
	if len(r.Key) > model.MaxName {
		return fmt.Errorf("%w: request key has %d bytes, at most %d", engine.ErrInvalid, len(r.Key), model.MaxName)
	}
	if r.IfExists > engine.ReplaceAny {
		return fmt.Errorf("%w: reuse of the ID is %d, which is none of the ways there are", engine.ErrInvalid, r.IfExists)
	}
	if _, ok := r.Tags[model.FireAndForget]; ok {
		return fmt.Errorf("%w: tag %q is reserved", engine.ErrInvalid, model.FireAndForget)
	}
	if err := cmp.Or(checkTags(r.Tags), checkTagText(r.Tags), checkTrace(r.Trace)); err != nil {
		return err
	}
	return e.checkPayload("input", r.Name, r.Input)
}

// chooseID makes up an instance ID. With a request key it is the same for every
// repetition of the request. Otherwise it begins with the time in milliseconds, so
// that rows with IDs in their keys are added at an end of the store's tables:
// spread over them, they have compactions rewrite all that is there. 80 bits of
// a hash of the session and a counter make it unique.
func (e *Engine) chooseID(key string) string {
	if key != "" {
		sum := sha256.Sum256([]byte("netherite.start." + key))
		return hex.EncodeToString(sum[:16])
	}
	hash := model.RequestExecution(e.session.id, e.ids.Add(1), "")
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], uint64(e.opts.Clock.Wall().UnixMilli())<<16)
	copy(id[6:], hash[:10])
	return hex.EncodeToString(id[:])
}

// Raise implements engine.Client.
func (e *Engine) Raise(ctx context.Context, r engine.RaiseRequest) error {
	err := e.checkOrchestration(r.Instance)
	if err == nil {
		err = invalid(model.ValidateName("event", r.Event))
	}
	if err == nil {
		err = e.checkPayload("event payload", r.Event, r.Payload)
	}
	if err != nil {
		return describe("raise event for", r.Instance, err)
	}
	_, err = e.command(ctx, &partition.Command{
		Client: partition.Client{Key: r.Key}, Op: partition.OpRaise, Instance: r.Instance, Name: r.Event, Payload: r.Payload,
	}, otherIntake)
	return describe("raise event for", r.Instance, err)
}

// Suspend implements engine.Client.
func (e *Engine) Suspend(ctx context.Context, instance, reason string) error {
	return e.reasoned(ctx, "suspend", partition.OpSuspend, instance, reason)
}

// Resume implements engine.Client.
func (e *Engine) Resume(ctx context.Context, instance, reason string) error {
	return e.reasoned(ctx, "resume", partition.OpResume, instance, reason)
}

// Rewind implements engine.Client.
func (e *Engine) Rewind(ctx context.Context, instance, reason string) error {
	err := invalid(model.ValidateInstanceID(instance)) // entities that are quarantined are tried again, too
	if err == nil {
		err = e.sendReason(ctx, partition.OpRewind, instance, reason)
	}
	return describe("rewind", instance, err)
}

// reasoned sends an orchestration a command whose payload is a reason.
func (e *Engine) reasoned(ctx context.Context, what string, op partition.Op, instance, reason string) error {
	err := e.checkOrchestration(instance)
	if err == nil {
		err = e.sendReason(ctx, op, instance, reason)
	}
	return describe(what, instance, err)
}

func (e *Engine) sendReason(ctx context.Context, op partition.Op, instance, reason string) error {
	err := e.checkPayload("reason", "", []byte(reason))
	if err == nil && !utf8.ValidString(reason) {
		err = fmt.Errorf("%w: reason %q is not UTF-8", engine.ErrInvalid, reason)
	}
	if err == nil {
		_, err = e.command(ctx, &partition.Command{Op: op, Instance: instance, Payload: []byte(reason)}, otherIntake)
	}
	return err
}

// Terminate implements engine.Client.
func (e *Engine) Terminate(ctx context.Context, r engine.TerminateRequest) error {
	err := e.checkOrchestration(r.Instance)
	if err == nil {
		err = e.checkPayload("output", "", r.Output)
	}
	if err == nil {
		_, err = e.command(ctx, &partition.Command{
			Op: partition.OpTerminate, Instance: r.Instance, Payload: r.Output, Recursive: r.Recursive,
		}, otherIntake)
	}
	return describe("terminate", r.Instance, err)
}

// Purge implements engine.Client.
func (e *Engine) Purge(ctx context.Context, instance string, recursive bool) (int, error) {
	if err := invalid(model.ValidateInstanceID(instance)); err != nil {
		return 0, describe("purge", instance, err)
	}
	deleted, err := e.command(ctx, &partition.Command{Op: partition.OpPurge, Instance: instance, Recursive: recursive}, purgeIntake)
	return deleted, describe("purge", instance, err)
}

// Signal implements engine.Client.
func (e *Engine) Signal(ctx context.Context, r engine.SignalRequest) error {
	err := e.checkEntity(r.Entity)
	if err == nil {
		err = invalid(model.ValidateName("operation", r.Operation))
	}
	if err == nil {
		err = cmp.Or(e.checkPayload("operation input", r.Operation, r.Input), checkTrace(r.Trace))
	}
	if err == nil {
		_, err = e.command(ctx, &partition.Command{
			Client: partition.Client{Key: r.Key}, Op: partition.OpSignal, Instance: r.Entity, Name: r.Operation,
			Payload: r.Input, At: r.At, Trace: r.Trace,
		}, otherIntake)
	}
	return describe("signal", r.Entity, err)
}

// command sends a command and returns how much it deleted.
func (e *Engine) command(ctx context.Context, ev *partition.Command, k intakeKind) (int, error) {
	if len(ev.Client.Key) > model.MaxName {
		return 0, fmt.Errorf("%w: request key has %d bytes, at most %d", engine.ErrInvalid, len(ev.Client.Key), model.MaxName)
	}
	if err := e.admit(k, len(ev.Payload)); err != nil {
		return 0, err
	}
	defer e.leave(len(ev.Payload))
	c := newCall()
	c.ev, ev.Caller = ev, c
	if err := e.sendWrite(ctx, ev.Instance, c, &ev.Client, &ev.Retry); err != nil {
		return 0, err
	}
	return c.ans.Deleted, nil
}

// Get implements engine.Client.
func (e *Engine) Get(ctx context.Context, instance string, o engine.GetOptions) (*model.Instance, error) {
	return e.readInstance(ctx, "get", instance, &call{done: make(chan struct{}, 1), read: readInstance, get: o})
}

// Wait implements engine.Client.
func (e *Engine) Wait(ctx context.Context, instance string, until engine.Until, o engine.GetOptions) (*model.Instance, error) {
	return e.readInstance(ctx, "wait for", instance, &call{done: make(chan struct{}, 1), read: waitInstance, get: o, until: until, patient: true})
}

func (e *Engine) readInstance(ctx context.Context, what, instance string, c *call) (*model.Instance, error) {
	err := invalid(model.ValidateInstanceID(instance))
	if err == nil {
		err = e.open()
	}
	if err == nil {
		c.key = partition.Key{ID: instance}
		err = e.send(ctx, model.PartitionOf(instance, e.params.Partitions), c)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", what, instance, err)
	}
	if c.get.Waits {
		e.feed.explain(c.inst)
	}
	return c.inst, nil
}

// readInstance answers a Get.
func readInstance(h *host, c *call) {
	if h.find(c); !h.stale(c) {
		c.answered(h)
	}
}

// find reads the instance that a call is about, if it is of the run that is meant.
func (h *host) find(c *call) {
	c.inst, c.ans.Err = h.state.Read(c.key.ID, c.get), nil
	switch {
	case c.inst == nil:
		c.ans.Err = engine.ErrNotFound
	case !c.get.Execution.IsZero() && c.inst.Execution != c.get.Execution && !h.state.OfRun(c.key.ID, c.get.Execution):
		c.inst, c.ans.Err = nil, engine.ErrReplaced
	}
}

// waitInstance answers a Wait, now or when the instance has come that far. When
// the call was sent before, to a node that has failed, it waits for the same run.
func waitInstance(h *host, c *call) {
	h.find(c)
	if ord := h.state.Ordinal(c.key.ID); c.inst != nil && c.ord != 0 && c.ord != ord {
		c.inst, c.ans.Err = nil, engine.ErrReplaced
	} else if c.inst != nil && !c.reached(c.inst.Status) {
		c.ord = ord
		h.waiters[c.key.ID] = append(h.waiters[c.key.ID], c)
		return
	}
	c.answered(h)
}

// reached reports whether a status is what a Wait waits for.
func (c *call) reached(s model.Status) bool {
	return s.Ended() || c.until == engine.UntilStarted && s != model.Pending
}

// changed answers those who waited for a change. They see the instance as it is
// at the end of the batch, whose position their answers wait for.
func (h *host) changed(ch *partition.Change) {
	waiting := h.waiters[ch.Instance]
	if len(waiting) == 0 {
		return
	}
	kept, ord := waiting[:0], h.state.Ordinal(ch.Instance)
	for _, c := range waiting {
		if !h.sees(c, ch, ord) {
			kept = append(kept, c)
			continue
		}
		h.batch.out = append(h.batch.out, c)
	}
	clear(waiting[len(kept):])
	if len(kept) == 0 {
		delete(h.waiters, ch.Instance)
		return
	}
	h.waiters[ch.Instance] = kept
}

// sees reads the instance for a call that waits, after a change of it; ord is
// that of the instance now. It reports whether the call need not wait any more.
func (h *host) sees(c *call, ch *partition.Change, ord uint64) bool {
	c.inst, c.ans = nil, partition.Answer{}
	switch {
	case c.ord == 0 || c.ord == ord:
		c.inst = h.state.Read(ch.Instance, c.get)
	case c.ord != ch.Ord:
		return false // its own change is another one
	default:
		if c.inst = partition.Copy(ch.Was); c.inst == nil && !ch.Gone {
			return false // it has been replaced since: that change follows
		}
	}
	if c.inst == nil {
		c.ans.Err = engine.ErrNotFound
		return true
	}
	return c.reached(c.inst.Status)
}

// History implements engine.Client.
func (e *Engine) History(ctx context.Context, instance string) ([]model.Event, error) {
	err := invalid(model.ValidateInstanceID(instance))
	if err == nil {
		err = e.open()
	}
	var events []model.Event
	h := &hold{room: e.reads.history}
	if err == nil {
		id := model.PartitionOf(instance, e.params.Partitions)
		events, err = e.history(ctx, id, h, func() *call {
			return &call{done: make(chan struct{}, 1), read: readPast, key: partition.Key{ID: instance}}
		})
	}
	if err != nil {
		h.release()
		return nil, fmt.Errorf("read history of %q: %w", instance, err)
	}
	h.keep(ctx)
	return events, nil
}
