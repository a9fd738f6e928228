package enginetest

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
)

// hub is a hub under test with at most one worker. It is a durable.Hub also
// while it is closed and opened again.
type hub struct {
	t       *testing.T
	suite   Suite
	storage Storage
	opts    Options
	code    *code
	evict   bool
	engine  engine.Engine  // nil while closed
	worker  *worker.Worker // nil while there is none
	// logLevel of the engine and the worker; scenarios that make things go wrong
	// raise it.
	logLevel slog.LevelVar
}

var _ durable.Hub = (*hub)(nil)

func newHub(t *testing.T, s Suite, o Options) *hub {
	h := &hub{t: t, suite: s, storage: s.New(t), opts: o, code: newCode()}
	h.opts.Logger = slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: &h.logLevel}))
	h.logLevel.Set(slog.LevelWarn)
	t.Cleanup(h.abort)
	return h
}

// logWriter writes log lines into the test's output.
type logWriter struct{ t *testing.T }

// Write implements io.Writer.
func (w logWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// Engine implements durable.Hub.
func (h *hub) Engine() engine.Client { return h.engine }

// Codec implements durable.Hub.
func (h *hub) Codec() durable.Codec { return nil }

// PayloadLimit is the limit of one payload, in bytes, as durable asks for it.
func (h *hub) PayloadLimit() int { return h.opts.MaxPayload }

// tryOpen opens the engine.
func (h *hub) tryOpen() error {
	e, err := h.storage.Open(h.opts)
	if err == nil {
		h.engine = e
	}
	return err
}

func (h *hub) open() {
	h.t.Helper()
	if err := h.tryOpen(); err != nil {
		h.t.Fatalf("open hub: %v", err)
	}
}

// serve attaches a worker with the code of all scenarios, or with the given code.
func (h *hub) serve(handlers ...durable.Handler) {
	h.t.Helper()
	if handlers == nil {
		handlers = h.code.handlers()
	}
	o := worker.Options{
		Handlers: handlers, Clock: h.storage.Clock(), PayloadLimit: h.opts.MaxPayload, Logger: h.opts.Logger,
		SlowStep: 1 << 60, // the clock jumps while steps compute
	}
	if h.evict {
		o.CacheCount = -1
	}
	if h.suite.Worker != nil {
		h.suite.Worker(&o)
	}
	w, err := worker.New(o)
	if err == nil {
		err = w.Run(h.engine)
	}
	if err != nil {
		h.t.Fatalf("start worker: %v", err)
	}
	h.worker = w
}

// dismiss closes the worker, whose steps and activities end.
func (h *hub) dismiss() {
	h.t.Helper()
	if h.worker == nil {
		return
	}
	w := h.worker
	h.worker = nil
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.Close(ctx); err != nil {
		h.t.Errorf("close worker: %v", err)
	}
}

// close ends worker and engine in good order.
func (h *hub) close() {
	h.t.Helper()
	h.dismiss()
	h.check()
	e := h.engine
	h.engine = nil
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		h.t.Errorf("close engine: %v", err)
	}
}

// check reports what went wrong unseen.
func (h *hub) check() {
	h.t.Helper()
	if err := h.storage.Check(); err != nil {
		h.t.Errorf("inside of the engine: %v", err)
	}
}

// restart closes the hub and opens it again.
func (h *hub) restart() {
	h.t.Helper()
	h.close()
	h.open()
	h.serve()
}

// crash ends the hub as a power failure would and opens it again.
func (h *hub) crash() {
	h.t.Helper()
	h.powerOff()
	h.open()
	h.serve()
}

// powerOff ends the hub as a power failure would. Activities that run are told
// that nobody waits for them.
func (h *hub) powerOff() {
	h.t.Helper()
	h.check()
	h.storage.Crash()
	h.engine = nil
	h.abandon()
}

// abandon closes the worker of an engine that is gone.
func (h *hub) abandon() {
	if h.worker != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = h.worker.Close(ctx) // whatever runs is cut short: that is the point
		h.worker = nil
	}
}

// abort ends what a failed test has left open.
func (h *hub) abort() {
	h.code.release()
	h.abandon()
	if h.engine != nil {
		h.engine = nil
		h.storage.Crash()
	}
}

// scene is a scenario that is being played. Its methods end the test when
// something is not as it should be.
type scene struct {
	*testing.T
	*hub
	ctx    context.Context
	prefix string // of instance IDs, so that scenarios can share a hub
	shared bool   // others play in the same hub, and move its clock
}

// id makes an instance ID of this scene.
func (s *scene) id(name string) string { return s.prefix + name }

// named makes the option for the instance ID of a name.
func (s *scene) named(name string) durable.ID { return durable.ID(s.id(name)) }

// ok ends the test if there is an error.
func (s *scene) ok(err error) {
	if err != nil {
		s.Helper()
		s.Fatal(err)
	}
}

// get reads all of an instance.
func (s *scene) get(id string) *model.Instance {
	s.Helper()
	inst, err := s.engine.Get(s.ctx, id, engine.GetOptions{Payloads: true, Waits: true})
	s.ok(err)
	return inst
}

// ended waits for an instance to end.
func (s *scene) ended(id string) *model.Instance {
	s.Helper()
	inst, err := s.engine.Wait(s.ctx, id, engine.UntilEnded, engine.GetOptions{Payloads: true})
	s.ok(err)
	return inst
}

// ends waits for an instance to end, in the given way.
func (s *scene) ends(id string, as model.Status) *model.Instance {
	s.Helper()
	inst := s.ended(id)
	if inst.Status != as {
		s.Fatalf("%s is %v (%v, output %.200s), want %v", id, inst.Status, inst.Failure, inst.Output, as)
	}
	return inst
}

// until waits for a condition that nothing tells of but reading. Between two
// looks it waits for the clock to go on.
func (s *scene) until(what string, cond func() bool) {
	s.Helper()
	for !cond() {
		tick := make(chan struct{})
		stop := s.storage.Clock().AfterFunc(1, func() { close(tick) })
		select {
		case <-tick:
		case <-s.ctx.Done():
			stop()
			s.Fatalf("waited too long until %s", what)
		}
	}
}

// sleeps waits until an instance has set a timer. It may have ended instead,
// where others move the clock as well.
func (s *scene) sleeps(id string) {
	s.Helper()
	s.until(id+" waits for a timer", func() bool {
		inst := s.get(id)
		return len(inst.Waits.Timers) > 0 || inst.Status.Ended()
	})
}

// awaits waits until an instance waits for an external event.
func (s *scene) awaits(id string) {
	s.Helper()
	s.until(id+" waits for an event", func() bool { return len(s.get(id).Waits.Events) > 0 })
}

// advance moves the clock.
func (s *scene) advance(d time.Duration) { s.storage.Clock().Advance(d) }

// now is the clock's wall time.
func (s *scene) now() time.Time { return s.storage.Clock().Wall() }

// list returns all orchestrations that match, in the order of the query.
func (s *scene) list(q engine.Query) []*model.Instance {
	s.Helper()
	var all []*model.Instance
	for inst, err := range durable.Query(s.ctx, s, q) {
		s.ok(err)
		all = append(all, inst)
	}
	return all
}

// want ends the test if two values differ.
func want[T comparable](s *scene, what string, got, expected T) {
	if got != expected {
		s.Helper()
		s.Fatalf("%s is %v, want %v", what, got, expected)
	}
}

// result waits for a run and compares its result.
func result[T comparable](s *scene, run *durable.Run[T], expected T) {
	s.Helper()
	got, err := run.Wait(s.ctx)
	s.ok(err)
	want(s, "result of "+run.ID(), got, expected)
}

// start starts an orchestration and returns its run.
func start[In, Out any](s *scene, o *durable.OrchestrationOf[In, Out], name string, in In, opts ...durable.StartOption) *durable.Run[Out] {
	s.Helper()
	opts = append([]durable.StartOption{s.named(name)}, opts...)
	var run *durable.Run[Out]
	s.ok(patiently(func() (err error) {
		run, err = o.Start(s.ctx, s, in, opts...)
		return err
	}))
	return run
}

// patiently makes a request again for as long as the engine asks to come again.
func patiently(request func() error) error {
	err := request()
	for errors.Is(err, engine.ErrBusy) {
		runtime.Gosched()
		err = request()
	}
	return err
}

// purgeAll sees to it that nothing hangs: what scenarios leave living is
// terminated, and then everything can be purged.
func (s *scene) purgeAll() {
	s.Helper()
	for _, inst := range s.list(engine.Query{}) {
		if !inst.Status.Ended() {
			s.ok(patiently(func() error {
				return s.engine.Terminate(s.ctx, engine.TerminateRequest{Instance: inst.ID})
			}))
			s.ended(inst.ID)
		}
	}
	_, err := durable.Purge(s.ctx, s, engine.Query{})
	s.ok(err)
	if rest := s.list(engine.Query{}); len(rest) > 0 {
		s.Errorf("%d instances are left after purging all, for example %s, which is %v", len(rest), rest[0].ID, rest[0].Status)
	}
}
