package durabletask

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// SDKs take no message of more than 4 MiB. What is larger cannot be sent, ever: it
// fails, with both sizes, rather than being offered again without end.

// cut leaves out operations that do not fit into a message with the others: those
// without a result stay queued. The first one stays.
func cut(q *wire.EntityRequest) *wire.EntityRequest {
	size := proto.Size(&wire.EntityRequest{InstanceId: q.InstanceId, ExecutionId: q.ExecutionId, EntityState: q.EntityState})
	for i, op := range q.OperationRequests {
		if size += proto.Size(op) + frameBytes; i > 0 && size > maxMessage {
			q.OperationRequests = q.OperationRequests[:i]
			break
		}
	}
	return q
}

// frameBytes is more than what a message costs inside of another one.
const frameBytes = 8

// tooLarge fails an item that cannot be sent, unless another worker could take it.
func (w *session) tooLarge(h *held, size int) {
	f := &model.Failure{Type: model.FailurePayloadTooLarge, NonRetriable: true}
	switch h.kind {
	case engine.OrchestrationKind:
		i := h.orchestration
		if !w.streams && w.d.streaming(w, i) {
			_ = w.conn.Abandon(h.kind, h.token, abandonDelay)
			return
		}
		f.Message = fmt.Sprintf("the history of %d events and what is new make a message of %d bytes, and no connected worker can be sent more than %d: "+
			"continue as new earlier, or use smaller payloads", i.PastEvents, size, maxMessage)
		if w.streams {
			f.Message = fmt.Sprintf("what is new for the orchestration makes a message of %d bytes, and no worker can be sent more than %d", size, maxMessage)
		}
		_ = h.completeStep(failedStep(h, f))
	case engine.ActivityKind:
		f.Message = fmt.Sprintf("the activity's input makes a message of %d bytes, and no worker can be sent more than %d", size, maxMessage)
		_ = h.completeActivity(&engine.ActivityResult{Token: h.token, Failure: f})
	case engine.EntityKind:
		w.unsent(h.token)
		f.Message = fmt.Sprintf("the entity's state and the operation's input make a message of %d bytes, and no worker can be sent more than %d", size, maxMessage)
		_ = h.completeBatch(&engine.EntityResult{
			Token: h.token, Now: h.entity.Now, State: h.entity.State, Results: []engine.OperationResult{{Failure: f}},
		}, nil)
	}
}

// streaming reports whether another worker could read a long history by itself.
func (d *desk) streaming(than *session, i *engine.OrchestrationItem) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for w := range d.sessions { // order-free: any will do
		if w != than && w.streams && w.Handles(engine.OrchestrationKind, i.Name, i.Version) {
			return true
		}
	}
	return false
}
