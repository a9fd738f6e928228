package durabletask

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// chunkBytes is about how much history a message has.
const chunkBytes = 256 << 10

// StreamInstanceHistory sends the history of an orchestration, in chunks: to a
// worker that has a step of it, what was before that step, else all there is.
func (s *Service) StreamInstanceHistory(q *wire.StreamInstanceHistoryRequest, stream grpc.ServerStreamingServer[wire.HistoryChunk]) error {
	ctx, id := stream.Context(), q.GetInstanceId()
	hub, err := s.hub(ctx)
	if err != nil {
		return err
	}
	if model.IsEntity(id) {
		return status.Errorf(codes.NotFound, "%q is an entity, which has no history", id)
	}
	execution, history, err := s.historyOf(ctx, hub, q)
	if err != nil {
		return err
	}
	said := translate.NewHistory(id, execution)
	said.ToWorker = q.GetForWorkItemProcessing()
	if own(q) != nil {
		return sendChunks(said.SayWhole(history), stream.Send)
	}
	return sendChunks(said.Say(history), stream.Send)
}

func (s *Service) historyOf(ctx context.Context, hub Hub, q *wire.StreamInstanceHistoryRequest) (none model.ExecutionID, _ []model.Event, _ error) {
	id, want := q.GetInstanceId(), q.GetExecutionId().GetValue()
	if q.GetForWorkItemProcessing() {
		h := s.desk(hub).find("", place{kind: engine.OrchestrationKind, instance: id}, "")
		if h == nil || want != "" && h.orchestration.Execution.String() != want {
			return none, nil, status.Errorf(codes.NotFound, "no worker has a step of execution %q of instance %q", want, id)
		}
		history, err := h.past(ctx)
		return h.orchestration.Execution, h.traced.told(history), statusOf(err)
	}
	i, err := hub.Engine().Get(ctx, id, engine.GetOptions{})
	if err != nil {
		return none, nil, statusOf(err)
	}
	if want != "" && i.Execution.String() != want {
		return none, nil, status.Errorf(codes.NotFound, "instance %q has no execution %q any more, it is at %s", id, want, i.Execution)
	}
	history, err := hub.Engine().History(engine.UntilDone(ctx), id)
	return i.Execution, history, statusOf(err)
}

func sendChunks(events []*wire.HistoryEvent, send func(*wire.HistoryChunk) error) error {
	chunk, size := &wire.HistoryChunk{}, 0
	for i, e := range events {
		n := proto.Size(e) + frameBytes
		if n > maxMessage {
			return status.Errorf(codes.ResourceExhausted, "event %d of the history has %d bytes, and clients take no more than %d at once", i, n, maxMessage)
		}
		if size+n > chunkBytes && len(chunk.Events) > 0 {
			if err := send(chunk); err != nil {
				return err
			}
			chunk, size = &wire.HistoryChunk{}, 0
		}
		chunk.Events, size = append(chunk.Events, e), size+n
	}
	return send(chunk)
}
