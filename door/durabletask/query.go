package durabletask

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

const (
	// maxPage is how many instances a page has at most.
	maxPage = 1000
	// maxMessage bounds what is sent at once: SDKs take 4 MiB.
	maxMessage = 3_900_000
)

// QueryInstances answers with a page of orchestrations.
func (s *Service) QueryInstances(ctx context.Context, q *wire.QueryInstancesRequest) (*wire.QueryInstancesResponse, error) {
	client, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	if x := own(q); x != nil {
		return wholePage(ctx, client, x)
	}
	f := q.GetQuery()
	query := engine.Query{
		IDPrefix: f.GetInstanceIdPrefix().GetValue(), CreatedFrom: from(f.GetCreatedTimeFrom()), CreatedTo: to(f.GetCreatedTimeTo()),
		PageSize: pageSize(f.GetMaxInstanceCount()), Token: f.GetContinuationToken().GetValue(),
		GetOptions: engine.GetOptions{Payloads: f.GetFetchInputsAndOutputs()},
	}
	if query.Statuses, err = statusesOf(f.GetRuntimeStatus()); err != nil {
		return nil, err
	}
	r := &wire.QueryInstancesResponse{}
	token, err := fill(ctx, client, query, func(i *model.Instance) proto.Message {
		state := translate.State(i)
		r.OrchestrationState = append(r.OrchestrationState, state)
		return state
	})
	if err != nil {
		return nil, err
	}
	r.ContinuationToken = tokenOf(token)
	return r, nil
}

// from is the begin of a window; zero does not restrict. Nothing here is older than
// 1970.
func from(t *timestamppb.Timestamp) model.Time { return max(translate.Time(t), 0) }

// to is the end of a window, which is not in it; zero does not restrict.
func to(t *timestamppb.Timestamp) model.Time {
	if t == nil {
		return 0
	}
	return max(translate.Time(t), 1)
}

func pageSize(n int32) int {
	if n <= 0 {
		return 0
	}
	return min(int(n), maxPage)
}

func tokenOf(token string) *wrapperspb.StringValue {
	if token == "" {
		return nil
	}
	return wrapperspb.String(token)
}

func statusesOf(list []wire.OrchestrationStatus) ([]model.Status, error) {
	out := make([]model.Status, 0, len(list))
	for _, w := range list {
		m, ok := translate.ToStatus(w)
		if !ok {
			return nil, invalid("there is no orchestration status %d", w)
		}
		out = append(out, m)
	}
	return out, nil
}

// fill reads a page that fits into a message. It returns the token of the next page.
// Of an instance that is left out add makes nothing.
func fill(ctx context.Context, client engine.Client, q engine.Query, add func(*model.Instance) proto.Message) (string, error) {
	q.MaxBytes = maxPageBytes
	page, err := client.Query(engine.UntilDone(ctx), q)
	if err != nil {
		return "", statusOf(err)
	}
	for _, i := range page.Instances {
		m := add(i)
		if m == nil || len(page.Instances) > 1 {
			continue
		}
		if size := proto.Size(m) + frameBytes; size > maxPageBytes {
			return "", status.Errorf(codes.ResourceExhausted, "what is known of instance %q has %d bytes with its payloads, and clients take no more than %d: query without them", i.ID, size, maxPageBytes)
		}
	}
	return page.Token, nil
}

// maxPageBytes is what the instances of a page may have: the rest is for the token.
const maxPageBytes = maxMessage - 4096
