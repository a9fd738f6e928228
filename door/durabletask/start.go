package durabletask

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// StartInstance starts an orchestration.
func (s *Service) StartInstance(ctx context.Context, q *wire.CreateInstanceRequest) (*wire.CreateInstanceResponse, error) {
	client, err := s.recipient(ctx)
	if err != nil {
		return nil, err
	}
	r := engine.StartRequest{
		Instance: q.GetInstanceId(), Name: q.GetName(), Version: q.GetVersion().GetValue(), Input: translate.Bytes(q.GetInput()),
		At: translate.Time(q.GetScheduledStartTimestamp()), Tags: q.GetTags(), Trace: translate.ToTrace(q.GetParentTraceContext()),
	}
	if q.GetOrchestrationIdReusePolicy() != nil {
		if r.Replaceable, err = replaceable(q.GetOrchestrationIdReusePolicy()); err != nil {
			return nil, err
		}
	}
	x := own(q)
	readStart(&r, x)
	started, err := client.Start(ctx, r)
	if err != nil {
		return nil, statusOf(err)
	}
	answer := &wire.CreateInstanceResponse{InstanceId: started.Instance}
	if x != nil {
		extra.Put(answer, &extra.Answer{Execution: started.Execution[:], Attached: started.Attached})
	}
	return answer, nil
}

// alive are the statuses of instances that can go on.
var alive = []model.Status{model.Running, model.Pending, model.Suspended}

// replaceable reads a policy: the statuses whose instances are replaced.
func replaceable(p *wire.OrchestrationIdReusePolicy) ([]model.Status, error) {
	list := make([]model.Status, 0, len(p.GetReplaceableStatus()))
	for _, w := range p.GetReplaceableStatus() {
		m, ok := translate.ToStatus(w)
		if !ok {
			return nil, invalid("Invalid reusable statuses: there is no orchestration status %d", w)
		}
		list = append(list, m)
	}
	if slices.ContainsFunc(list, func(m model.Status) bool { return slices.Contains(alive, m) }) && !slices.Contains(list, model.Terminated) {
		return nil, invalid("Invalid reusable statuses: cannot exclude 'Terminated' while also allowing reuse of running instances")
	}
	return list, nil
}

// RestartInstance starts an orchestration once more, with the input it had.
func (s *Service) RestartInstance(ctx context.Context, q *wire.RestartInstanceRequest) (*wire.RestartInstanceResponse, error) {
	client, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	if model.IsEntity(q.GetInstanceId()) {
		return nil, invalid("%q is an entity, and only orchestrations can be restarted", q.GetInstanceId())
	}
	old, err := client.Get(ctx, q.GetInstanceId(), engine.GetOptions{Payloads: true})
	if err != nil {
		return nil, statusOf(err)
	}
	r := engine.StartRequest{Name: old.Name, Version: old.Version, Input: old.Input, Tags: old.Tags}
	if !q.GetRestartWithNewInstanceId() {
		if !old.Status.Ended() {
			return nil, status.Errorf(codes.FailedPrecondition, "instance %q is %s: only one that has ended can be restarted under its own ID", old.ID, old.Status)
		}
		r.Instance = old.ID
	}
	started, err := client.Start(ctx, r)
	if errors.Is(err, engine.ErrExists) { // it was started meanwhile
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	} else if err != nil {
		return nil, statusOf(err)
	}
	return &wire.RestartInstanceResponse{InstanceId: started.Instance}, nil
}
