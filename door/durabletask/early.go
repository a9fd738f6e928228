package durabletask

import (
	"context"
	"slices"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/model"
)

// This file has what early SDKs need, such as Java's up to 1.5: their protocol has
// no completion tokens, their workers do one thing at a time and take a refusal for
// the end of the server, and they send each event that an orchestration has sent
// again with every step.

// places are the items that workers have, by where they are from, in the order in
// which they were sent. An activity that goes on after its execution has ended is
// still there when that of the next execution comes to its place: an answer without
// a token is not to be taken for the other's.
type places map[place][]*held

func (p places) put(h *held) { p[h.place] = append(p[h.place], h) }

// first returns the item that an answer without a token is for: the first one that
// went to the same peer, who answers in order. A peer that has none may have come by
// another connection, and means the last one: those before it are stale.
func (p places) first(at place, peer string) *held {
	list := p[at]
	for _, h := range list {
		if h.s.peer == peer {
			return h
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}

func (p places) remove(h *held) {
	list := slices.DeleteFunc(p[h.place], func(o *held) bool { return o == h })
	if p[h.place] = list; len(list) == 0 {
		delete(p, h.place)
	}
}

// reader is who reads a stream of work.
type reader struct {
	peer string // where the connection comes from
	once sync.Once
	gone chan struct{} // closed if nobody reads the stream any more
}

func newReader(ctx context.Context) *reader {
	return &reader{peer: peerOf(ctx), gone: make(chan struct{})}
}

// peerOf says where a call's connection comes from.
func peerOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return p.Addr.String()
	}
	return ""
}

// errRefused ends the stream of a worker whose answer was refused.
var errRefused = status.Error(codes.Aborted, "an answer without a completion token was refused: the worker has to ask for work again")

// refused ends the stream of a worker without tokens when an answer of its is
// refused: its SDK leaves the stream open, never reads it again and opens another.
func (h *held) refused(token string, err *error) {
	if *err != nil && token == "" {
		h.s.once.Do(func() { close(h.s.gone) })
	}
}

// noteSent notes which events the orchestration has sent, by the IDs of their actions.
func (h *held) noteSent(past []model.Event) {
	for i := range past {
		if past[i].Kind == model.EventSent {
			h.sent = append(h.sent, past[i].ID)
		}
	}
}

// unsent leaves out the events that have been sent.
func (h *held) unsent(actions []*wire.OrchestratorAction) []*wire.OrchestratorAction {
	if len(h.sent) == 0 {
		return actions
	}
	return slices.DeleteFunc(actions, func(a *wire.OrchestratorAction) bool {
		return a.GetSendEvent() != nil && slices.Contains(h.sent, a.GetId())
	})
}
