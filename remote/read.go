package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Get implements engine.Client. The answer has all that is known of the instance.
func (c client) Get(ctx context.Context, instance string, o engine.GetOptions) (i *model.Instance, err error) {
	q := readRequest(instance, o, true)
	err = c.call(ctx, fmt.Sprintf("get %q", instance), limited, func(ctx context.Context, _ bool) error {
		a, err := c.api.GetInstance(ctx, q, again)
		if err == nil {
			i, err = instanceOf(a)
		}
		return err
	})
	return i, err
}

// Wait implements engine.Client. The answer is in the protocol's own words, which
// say what an orchestration came to: that is what is waited for most often.
func (c client) Wait(ctx context.Context, instance string, until engine.Until, o engine.GetOptions) (i *model.Instance, err error) {
	q := readRequest(instance, o, o.Waits || model.IsEntity(instance))
	wait := c.api.WaitForInstanceCompletion
	if until == engine.UntilStarted {
		wait = c.api.WaitForInstanceStart
	}
	err = c.call(ctx, fmt.Sprintf("wait for %q", instance), waiting, func(ctx context.Context, _ bool) error {
		a, err := wait(ctx, q, again)
		if err == nil {
			i, err = instanceOf(a)
		}
		return err
	})
	return i, err
}

func readRequest(instance string, o engine.GetOptions, whole bool) *wire.GetInstanceRequest {
	q := &wire.GetInstanceRequest{InstanceId: instance, GetInputsAndOutputs: o.Payloads}
	x := &extra.Request{Whole: whole, Waits: o.Waits, Fresh: o.Fresh}
	if !o.Execution.IsZero() {
		x.Execution = o.Execution[:]
	}
	if whole || x.Fresh || x.Execution != nil {
		extra.Put(q, x)
	}
	return q
}

// instanceOf reads an instance.
func instanceOf(a *wire.GetInstanceResponse) (*model.Instance, error) {
	if !a.GetExists() {
		return nil, notFound
	}
	var answer extra.Answer
	if extra.Get(a, &answer) && len(answer.GetInstance()) > 0 {
		i := &model.Instance{}
		if err := json.Unmarshal(answer.GetInstance(), i); err != nil {
			return nil, status.Errorf(codes.Internal, "the answer cannot be read: %v", err)
		}
		return i, nil
	}
	s := a.GetOrchestrationState()
	i := &model.Instance{
		ID: s.GetInstanceId(), Name: s.GetName(), Version: s.GetVersion().GetValue(), Tags: s.GetTags(),
		Created: translate.Time(s.GetCreatedTimestamp()), LastUpdated: translate.Time(s.GetLastUpdatedTimestamp()),
		Completed: translate.Time(s.GetCompletedTimestamp()), ScheduledAt: translate.Time(s.GetScheduledStartTimestamp()),
		Input: translate.Bytes(s.GetInput()), Output: translate.Bytes(s.GetOutput()), CustomStatus: translate.Bytes(s.GetCustomStatus()),
		Failure: translate.ToFailure(s.GetFailureDetails()),
	}
	if p := s.GetParentInstanceId().GetValue(); p != "" {
		i.Parent = &model.Parent{Instance: p}
	}
	var known bool
	if i.Status, known = translate.ToStatus(s.GetOrchestrationStatus()); !known {
		return nil, status.Errorf(codes.Internal, "the server says that it has status %d, which this program does not know", s.GetOrchestrationStatus())
	}
	execution, err := model.ParseExecutionID(s.GetExecutionId().GetValue())
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	i.Execution = execution
	return i, nil
}

// pageOf reads a page of instances, each of which is there: callers look at them.
func pageOf(text []byte) (page engine.Page, err error) {
	if err := json.Unmarshal(text, &page); err != nil {
		return engine.Page{}, err
	}
	if slices.Contains(page.Instances, nil) {
		return engine.Page{}, errors.New("an instance of the page is null")
	}
	return page, nil
}

// notFound is what a server says by an empty answer.
var notFound = status.Error(codes.NotFound, engine.ErrNotFound.Error())
