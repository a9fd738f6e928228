package remote

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	protobuf "google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Most of a stream of work is the past of orchestrations, which the worker has no
// need of if it has kept them alive. So messages are taken as they come, and what
// is needed of them is decoded.

// workItem is an encoded WorkItem.
type workItem struct{ b []byte }

// asItComes is the codec of the protocol, but for workItem, which it leaves alone.
type asItComes struct{ encoding.CodecV2 }

var rawCodec = asItComes{encoding.GetCodecV2(proto.Name)}

// Unmarshal implements encoding.CodecV2.
func (c asItComes) Unmarshal(data mem.BufferSlice, v any) error {
	if w, ok := v.(*workItem); ok {
		w.b = data.Materialize()
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}

// workItems opens a stream of work.
func (l *link) workItems(ctx context.Context, q *wire.GetWorkItemsRequest) (grpc.ClientStream, error) {
	s, err := l.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, wire.TaskHubSidecarService_GetWorkItems_FullMethodName, grpc.ForceCodecV2(rawCodec))
	if err == nil {
		err = s.SendMsg(q)
	}
	if err == nil {
		err = s.CloseSend()
	}
	return s, err
}

// Numbers of the fields that are decoded here.
const (
	fieldStep     = 1
	fieldActivity = 2
	fieldToken    = 10
	fieldExtra    = 1000
)

var errUnusual = errors.New("not of the usual kind")

// takeRaw hands a message of the stream to the worker.
func (c *connection) takeRaw(b []byte, generation uint64) error {
	var body []byte
	var kind protowire.Number
	var token string
	err := translate.Fields(b, func(number protowire.Number, v []byte, _ uint64) error {
		switch {
		case v == nil:
		case number == fieldToken:
			return translate.Text(&token, v)
		case (number == fieldStep || number == fieldActivity) && kind == 0:
			kind, body = number, v
			return nil
		}
		return errUnusual
	})
	var items engine.Items
	switch {
	case err != nil:
	case kind == fieldStep:
		var i *engine.OrchestrationItem
		i, err = c.rawStep(body, token, generation)
		items.Orchestrations = []*engine.OrchestrationItem{i}
	case kind == fieldActivity:
		var i *engine.ActivityItem
		i, err = c.rawActivity(body, token, generation)
		items.Activities = []*engine.ActivityItem{i}
	default:
		err = errUnusual
	}
	if err == nil {
		c.offer(items)
		return nil
	}
	m := &wire.WorkItem{}
	if err := protobuf.Unmarshal(b, m); err != nil {
		return fmt.Errorf("the server sent what cannot be decoded: %w", err)
	}
	return c.take(m, generation)
}

// rawActivity reads one run of an activity that has neither tags nor a trace.
func (c *connection) rawActivity(b []byte, token string, generation uint64) (*engine.ActivityItem, error) {
	i := &engine.ActivityItem{Attempt: 1}
	var execution string
	var x *extra.Item
	err := translate.Fields(b, func(number protowire.Number, v []byte, n uint64) error {
		switch {
		case number == 5 && v == nil:
			i.Task = int32(n)
			return nil
		case v == nil:
		case number == 1:
			return translate.Text(&i.Name, v)
		case number == 2:
			return translate.Wrapped(&i.Version, v)
		case number == 3:
			return translate.WrappedBytes(&i.Input, v)
		case number == 4:
			return translate.Instance(v, &i.Instance, &execution)
		case number == fieldExtra && x == nil:
			x = &extra.Item{}
			return protobuf.Unmarshal(v, x)
		}
		return errUnusual
	})
	if err == nil {
		i.Execution, err = model.ParseExecutionID(execution)
	}
	if err != nil {
		return nil, err
	}
	if x != nil {
		i.Call, i.Attempt, i.Timeout = x.GetCall(), x.GetAttempt(), time.Duration(x.GetTimeout())
	}
	i.Token = c.held.put(&item{kind: engine.ActivityKind, generation: generation, completion: token, instance: i.Instance},
		engine.Token{Task: i.Task, Name: nameOf(x.GetName())}, x != nil)
	return i, nil
}

// rawStep reads a step.
func (c *connection) rawStep(b []byte, token string, generation uint64) (*engine.OrchestrationItem, error) {
	i := &engine.OrchestrationItem{}
	h := &item{kind: engine.OrchestrationKind, generation: generation, completion: token}
	var x *extra.Item
	begun := false
	err := translate.Fields(b, func(number protowire.Number, v []byte, n uint64) error {
		switch {
		case number == 6 && v == nil:
			h.apart = n != 0
			return nil
		case v == nil:
		case number == 1:
			return translate.Text(&i.Instance, v)
		case number == 2:
			return translate.Wrapped(&h.execution, v)
		case number == 3:
			h.encoded = append(h.encoded, v)
			return nil
		case number == 4:
			h.fresh = append(h.fresh, v)
			e, err := translate.DecodeEvent(v)
			switch {
			case err != nil:
				return err
			case begun:
				i.NewEvents = append(i.NewEvents, e)
			case e.Kind != model.OrchestratorStarted:
				return errUnusual
			default:
				begun, i.Now = true, e.Time
			}
			return nil
		case number == 5, number == 8:
			return nil
		case number == fieldExtra && x == nil:
			x = &extra.Item{}
			return protobuf.Unmarshal(v, x)
		}
		return errUnusual
	})
	if err == nil {
		i.Execution, err = model.ParseExecutionID(h.execution)
	}
	if err != nil || !begun {
		return nil, errors.Join(err, errUnusual)
	}
	h.instance = i.Instance
	if i.PastEvents = int64(len(h.encoded)); x != nil {
		addItem(i, x)
	} else if err := c.recognize(i, h); err != nil {
		return nil, err
	}
	i.Token = c.held.put(h, engine.Token{Task: model.NoID, Name: nameOf(x.GetName())}, x != nil)
	return i, nil
}

// known is what the worker knows of an orchestration's history by itself: what it
// was shown with the last step that it completed, and how much that has added.
type known struct {
	execution     model.ExecutionID
	name, version string
	last          engine.Name // of the hand-out
	shown         int         // events
	sum           uint64      // of these
	total         int         // with those that the step added
}

// recognize finds out without extras whether a step goes on where the worker has
// completed the last one: the history begins with what it was shown then, event by
// event, and is longer by as many events as it has added. The code being
// deterministic, it is that history.
func (c *connection) recognize(i *engine.OrchestrationItem, h *item) error {
	k := c.held.remembered(i.Instance)
	var hash maphash.Hash
	hash.SetSeed(c.held.seed)
	same := false
	for n := range len(h.encoded) + 1 {
		if k != nil && n == k.shown {
			same = hash.Sum64() == k.sum
		}
		if n < len(h.encoded) {
			note(&hash, h.encoded[n])
		}
	}
	if same && k.execution == i.Execution && k.total == len(h.encoded) {
		i.Last, i.Name, i.Version = k.last, k.name, k.version
	} else if err := nameIn(i, h); err != nil {
		return err
	}
	for _, b := range h.fresh {
		note(&hash, b)
	}
	h.known = &known{execution: i.Execution, name: i.Name, version: i.Version, shown: len(h.encoded) + len(h.fresh), sum: hash.Sum64()}
	return nil
}

// note adds an event to a sum, with its length, so that no other events have the
// same bytes.
func note(h *maphash.Hash, event []byte) {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(event)))
	_, _ = h.Write(n[:]) // never fails
	_, _ = h.Write(event)
}

// nameIn finds the name of an orchestration in its history.
func nameIn(i *engine.OrchestrationItem, h *item) error {
	for _, list := range [][][]byte{h.encoded, h.fresh} {
		for _, b := range list {
			e, err := translate.DecodeEvent(b)
			if err != nil {
				return err
			}
			if e.Kind == model.ExecutionStarted {
				i.Name, i.Version = e.Name, e.Version
				return nil
			}
		}
	}
	return errUnusual
}
