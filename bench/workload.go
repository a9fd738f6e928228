package bench

import (
	"context"
	"sync"
	"time"

	"github.com/netherite-go/netherite/durable"
)

// workload is one entry of the list of workloads.
type workload struct {
	name string
	unit string
	once bool // one computation per call, not a stream of small operations
	make func() driver
}

// driver runs one workload on one hub.
type driver interface {
	// handlers is the code that the hub needs.
	handlers() []durable.Handler
	// setup prepares the hub before the warm-up.
	setup(ctx context.Context, e *env) error
	// op makes operation n for a client and returns the units that it completed. What
	// the hub refuses is made again with the same n: an operation that has had an
	// effect by then makes its further requests with env.admitted.
	op(ctx context.Context, e *env, client, n int) (units int64, err error)
	// check verifies the workload's result after all operations have ended.
	check(ctx context.Context, e *env) error
}

// prober is a driver that measures something of its own around the run.
type prober interface {
	before(ctx context.Context, e *env, r *Result) error // the warm-up
	after(ctx context.Context, e *env, r *Result) error  // the window, whose figures r has
}

// env is what a driver works in.
type env struct {
	hub     hub
	cfg     *Config
	runID   string // unique to this run: instances and entities of runs do not meet
	samples samples

	// admit makes a request within an operation until the hub takes it; nil: with
	// nobody counting what is refused.
	admit func(ctx context.Context, request func() error) error

	mu   sync.Mutex
	kept []searched
}

// admitted makes one request of an operation that cannot be made again as a whole
// when the hub refuses it.
func (e *env) admitted(ctx context.Context, request func() error) error {
	if e.admit == nil {
		return admitted(ctx, request)
	}
	return e.admit(ctx, request)
}

// workloads lists all in the order of the documentation.
func workloads() []workload {
	return []workload{
		{name: "hello5", unit: "orchestration", make: func() driver { return &hello{} }},
		{name: "sequence", unit: "orchestration", make: func() driver { return &sequence{} }},
		{name: "fanout", unit: "activity", make: func() driver { return &fanout{} }},
		{name: "bank", unit: "orchestration", make: func() driver { return newBank() }},
		{name: "wordcount", unit: "word", once: true, make: func() driver { return &wordCount{text: opticks()} }},
		{name: "collision", unit: "candidate", make: func() driver { return &collision{size: collisionSize} }},
		{name: "counter", unit: "signal", make: func() driver { return newCounter() }},
		{name: "waiting", unit: "orchestration", make: func() driver { return &waiting{} }},
	}
}

// Names lists the workloads.
func Names() []string {
	var names []string
	for _, w := range workloads() {
		names = append(names, w.name)
	}
	return names
}

func find(name string) *workload {
	for _, w := range workloads() {
		if w.name == name {
			return &w
		}
	}
	return nil
}

// pollInterval is how often a check looks again for what has no event to wait for.
const pollInterval = 2 * time.Millisecond

// none is embedded by drivers that need no setup or check of their own.
type none struct{}

func (none) setup(context.Context, *env) error { return nil }
func (none) check(context.Context, *env) error { return nil }
