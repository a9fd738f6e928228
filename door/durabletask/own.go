package durabletask

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Clients of this project ask for more than the protocol has words for, and are
// answered so: see package extra. Others are not answered any differently.

// maxDetailed is the longest message of an error that says in its details, too,
// what it is: some clients take no more than 8 KiB of headers.
const maxDetailed = 1000

// withCode adds to a status which error of the contract it is.
func withCode(s *status.Status, err error) error {
	if x := extra.Of(err); x != nil && len(s.Message()) <= maxDetailed {
		if detailed, e := s.WithDetails(x); e == nil {
			return detailed.Err()
		}
	}
	return s.Err()
}

// own returns the extra of a request; nil if it has none.
func own(m proto.Message) *extra.Request {
	if len(m.ProtoReflect().GetUnknown()) == 0 {
		return nil
	}
	x := &extra.Request{}
	if !extra.Get(m, x) {
		return nil
	}
	return x
}

// readStart reads the rest of a start.
func readStart(r *engine.StartRequest, x *extra.Request) {
	if x != nil {
		r.Key, r.IfExists = x.GetKey(), engine.Reuse(min(x.GetIfExists(), 255))
	}
}

// options are those of a read.
func options(o engine.GetOptions, x *extra.Request) (engine.GetOptions, error) {
	o.Waits, o.Fresh = x.GetWaits(), x.GetFresh()
	if e := x.GetExecution(); len(e) > 0 && len(e) != len(o.Execution) {
		return o, invalid("an execution ID has %d bytes, this one has %d", len(o.Execution), len(e))
	}
	copy(o.Execution[:], x.GetExecution())
	return o, nil
}

// wholeInstance answers with all that is known of an instance.
func wholeInstance(i *model.Instance) (*wire.GetInstanceResponse, error) {
	text, err := json.Marshal(i)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	r := &wire.GetInstanceResponse{Exists: true}
	extra.Put(r, &extra.Answer{Instance: text})
	if n := proto.Size(r); n > maxInbound {
		return nil, invalid("instance %q has %d bytes, which is more than the %d that a message can have: read it without payloads", i.ID, n, maxInbound)
	}
	return r, nil
}

// maxInbound is how much clients of this project take at once.
const maxInbound = 64 << 20

// readQuery reads a query that is said in full.
func readQuery(x *extra.Request) (q engine.Query, err error) {
	if err := json.Unmarshal(x.GetQuery(), &q); err != nil {
		return q, invalid("the query cannot be read: %v", err)
	}
	return q, nil
}

// wholePage answers with a page of a query that was said in full: of instances
// that fit into a message, if it is not a single one.
func wholePage(ctx context.Context, client engine.Client, x *extra.Request) (*wire.QueryInstancesResponse, error) {
	q, err := readQuery(x)
	if err != nil {
		return nil, err
	}
	if q.MaxBytes == 0 || q.MaxBytes > maxWholeBytes {
		q.MaxBytes = maxWholeBytes
	}
	page, err := client.Query(engine.UntilDone(ctx), q)
	partial, failed := incomplete(err)
	if failed != nil {
		return nil, statusOf(failed)
	}
	text, err := json.Marshal(page)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	r := &wire.QueryInstancesResponse{}
	extra.Put(r, &extra.Answer{Page: text, Incomplete: partial})
	return r, nil
}

// maxWholeBytes is what the instances of a page may have that is said as JSON, where
// payloads are in base64.
const maxWholeBytes = maxMessage * 3 / 4

// incomplete tells what is missing from an answer from an error.
func incomplete(err error) (*extra.Error, error) {
	var partial *engine.PartialError
	if errors.As(err, &partial) {
		return extra.Of(partial), nil
	}
	return nil, err
}

// ownPurge purges for a client that tells an instance that there is not from one
// that has not ended, and goes through matches by itself.
func ownPurge(ctx context.Context, client engine.Client, q *wire.PurgeInstancesRequest, x *extra.Request) (*wire.PurgeInstancesResponse, error) {
	r, answer := &wire.PurgeInstancesResponse{}, &extra.Answer{}
	var n int
	var err error
	if len(x.GetQuery()) > 0 {
		var query engine.Query
		if query, err = readQuery(x); err == nil {
			n, answer.Token, err = client.PurgeWhere(ctx, query)
		}
	} else {
		n, err = client.Purge(ctx, model.CanonicalID(q.GetInstanceId()), q.GetRecursive())
	}
	if answer.Incomplete, err = incomplete(err); err != nil {
		return nil, statusOf(err)
	}
	r.DeletedInstanceCount = int32(min(n, 1<<31-1))
	extra.Put(r, answer)
	return r, nil
}

// describeHub says of an error that there is no hub that it is that.
func describeHub(name string, err error) error {
	if status.Code(statusOf(err)) == codes.NotFound {
		return withCode(status.New(codes.NotFound, err.Error()), fmt.Errorf("%q: %w", name, extra.ErrNoHub))
	}
	return statusOf(err)
}
