// Package engine is the contract between workflow languages and execution
// engines: what a client may ask of an engine, and the feed of work items whose
// results are handed back. Every engine passes the suite in engine/enginetest.
//
// Promises that every engine keeps:
//
//   - A method of Client that returns nil has taken effect durably. Every
//     answer, refusals and absences included, depends only on durable facts.
//   - Every message takes effect on its instance's state exactly once.
//   - Delivery is first in, first out per pair of instances.
//   - At most one step of an instance is with workers at a time, at most one
//     result per scheduled activity is recorded.
//   - A client's read that follows its own acknowledged write sees it.
package engine

import (
	"context"

	"github.com/netherite-go/netherite/model"
)

// Engine runs one task hub.
type Engine interface {
	Client
	Feed
	// Close refuses new work with ErrClosed, gives running steps until ctx ends,
	// makes everything durable and releases all resources. Idempotent.
	Close(ctx context.Context) error
}

// Client is what programs outside of a workflow may ask of a hub. All methods
// are safe for concurrent use and return when their outcome is durable, or
// with ctx's error, after which the outcome is unknown but never applied twice.
// Payloads are the engine's once they were passed in: nobody changes their bytes.
// Tags are copied.
type Client interface {
	// Start creates an instance. ErrExists if the ID is taken and the policy
	// does not allow to take it over.
	Start(context.Context, StartRequest) (Started, error)
	// Raise delivers an external event. ErrNotFound if there is no such
	// instance; an ended one takes it without effect.
	Raise(context.Context, RaiseRequest) error
	// Suspend holds back what an orchestration is told from then on until Resume;
	// on what it was told before it still acts, and may end. Both are without effect
	// if already so; ErrEnded if the instance has ended.
	Suspend(ctx context.Context, instance, reason string) error
	Resume(ctx context.Context, instance, reason string) error
	// Terminate ends an orchestration at once, with output; a step in flight
	// has no effect. Without effect if it has ended already.
	Terminate(context.Context, TerminateRequest) error
	// Rewind takes back the failures of a failed orchestration and runs it on
	// from there. It ends the quarantine of an orchestration or entity: what could
	// not be applied to it, and what has come since, is applied, all or nothing.
	// ErrQuarantined if that cannot be applied yet: all is as it was. ErrNotFailed
	// if it has not failed and is not quarantined.
	Rewind(ctx context.Context, instance, reason string) error
	// Purge forgets an ended instance, with its history, and with recursive its
	// ended children. Zero if it has not ended; ErrNotFound if unknown.
	Purge(ctx context.Context, instance string, recursive bool) (deleted int, err error)
	// PurgeWhere forgets ended instances that match, a bounded number per call.
	// It is resumed with the returned token until that is empty, also after a
	// PartialError.
	PurgeWhere(ctx context.Context, q Query) (deleted int, token string, err error)

	// Get reads one instance. ErrNotFound if unknown.
	Get(ctx context.Context, instance string, o GetOptions) (*model.Instance, error)
	// Wait returns when the instance has reached the given state, ErrNotFound
	// if there is none or it was purged meanwhile. It is for the run that it finds
	// at first: if that is replaced, Wait returns how it ended.
	Wait(ctx context.Context, instance string, until Until, o GetOptions) (*model.Instance, error)
	// History reads the history of the instance's current execution. What all
	// histories under way have is bounded, to one of any size: others wait, and are
	// ErrBusy after a while.
	History(ctx context.Context, instance string) ([]model.Event, error)
	// Query reads a page of instances from indexes. With a PartialError the page
	// is returned as well: it lacks what lives in partitions that do not run. What
	// all queries under way have read is bounded: a page may be shorter than asked
	// for, and the error is ErrBusy if for a while there is no room for any.
	Query(context.Context, Query) (Page, error)

	// Signal sends a one-way operation to an entity, creating it if need be.
	Signal(context.Context, SignalRequest) error
	// CleanEntities deletes entities that have no state, no backlog and no lock,
	// and releases locks whose holder no longer runs; in bounded slices like
	// PurgeWhere, and with a PartialError like that.
	CleanEntities(ctx context.Context, o CleanOptions) (Cleaned, error)
}

// StartRequest asks for a new orchestration instance.
type StartRequest struct {
	Instance string // chosen by the engine when empty
	Name     string
	Version  string
	Input    []byte
	At       model.Time // not before; zero is now
	Tags     map[string]string
	Trace    *model.Trace
	IfExists Reuse
	// Replaceable, when not nil, is the exact set of statuses whose instance is
	// replaced (the protocol's reuse policy); it overrides IfExists.
	Replaceable []model.Status
	// Key, when set, makes repeated requests one: it is remembered for a bounded
	// time. Without it each call is a request of its own.
	Key string
}

// Reuse says what Start does about an instance of the same ID.
type Reuse uint8

const (
	// ReplaceEnded refuses with ErrExists while the instance lives, and replaces it once ended.
	ReplaceEnded Reuse = iota
	// FailIfExists refuses with ErrExists whatever its status.
	FailIfExists
	// AttachIfExists leaves a living instance alone and reports it as the result; an ended one is replaced.
	AttachIfExists
	// ReplaceAny terminates a living instance and replaces it, in one step.
	ReplaceAny
)

// Started is the outcome of Start.
type Started struct {
	Instance  string
	Execution model.ExecutionID
	Attached  bool // it existed already (AttachIfExists)
}

// RaiseRequest asks for an external event to be delivered.
type RaiseRequest struct {
	Instance string
	Event    string // compared without case by languages
	Payload  []byte
	Key      string // see StartRequest.Key
}

// TerminateRequest asks for an orchestration to be ended.
type TerminateRequest struct {
	Instance  string
	Output    []byte // becomes the output
	Recursive bool   // and its living children, and theirs
}

// SignalRequest asks for a one-way entity operation.
type SignalRequest struct {
	Entity    string // instance ID, "@type@key"
	Operation string
	Input     []byte
	At        model.Time // not before; zero is now
	Trace     *model.Trace
	Key       string // see StartRequest.Key
}

// GetOptions says how much of an instance to read.
type GetOptions struct {
	Payloads bool // input, output, custom status, entity state
	Waits    bool // what it waits for
	// Fresh makes a read of an entity wait until the operations that were
	// accepted before it have been applied, so that a client sees its own
	// acknowledged signals. What waits for a lock, or for a worker that has the
	// entity's code, is not waited for.
	Fresh bool
	// Execution, when not zero, is what Start returned for the run that is meant:
	// the error is ErrReplaced if the instance is of another run by now. Those
	// that continue as new stay the same run. Queries ignore it.
	Execution model.ExecutionID
}

// Until says what Wait waits for.
type Until uint8

const (
	// UntilEnded waits for a final status.
	UntilEnded Until = iota
	// UntilStarted waits for any status but Pending.
	UntilStarted
)

// Query selects instances. Zero fields do not restrict. Pages are in the order of
// IDs if there are names, tags or a prefix, else in the order of creation. That
// is also the order if there is a window of creation, or if neither names nor
// tags are given and the statuses are only such as few instances have: neither
// Running nor Completed.
type Query struct {
	Entities    bool     // entities instead of orchestrations
	Names       []string // as they are; types of entities without case
	Statuses    []model.Status
	Tags        map[string]string // all must match
	IDPrefix    string            // of entities the type in it is without case
	CreatedFrom model.Time        // inclusive
	CreatedTo   model.Time        // exclusive
	UpdatedFrom model.Time        // inclusive
	UpdatedTo   model.Time        // exclusive
	PageSize    int               // 1 to 1,000; 0 is 100
	// MaxBytes bounds what a page has, in bytes of model.Instance.Size: it ends
	// before the instance that would be too much. It has one in any case, unless it
	// is the last. MaxPageBytes, if that is less or MaxBytes is 0.
	MaxBytes int
	Token    string // from the previous page; the sizes of pages may change
	GetOptions
}

// MaxPageBytes is how much a page of a query has at most: see Query.MaxBytes.
const MaxPageBytes = 4 << 20

// Page is one page of a query's result: it is the last one if it has no token, and
// not if it has few instances. Pages of several partitions are each
// read at a position of their own: a query is not a snapshot of the hub.
type Page struct {
	Instances []*model.Instance
	Token     string // empty at the end
}

// CleanOptions says what CleanEntities does.
type CleanOptions struct {
	RemoveEmpty          bool
	ReleaseOrphanedLocks bool
	Token                string
}

// Cleaned is the outcome of one CleanEntities call.
type Cleaned struct {
	Removed  int
	Released int
	Token    string // empty at the end
}
