package metamorphic_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/histories"
	"github.com/netherite-go/netherite/internal/hubtest"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate/mem"
)

// player plays a script in one hub, in virtual time.
type player struct {
	setting setting
	hub     *hubtest.Hub
	clock   *watched
	lossy   *hubtest.Lossy // nil unless the setting says so
	ctx     context.Context
	said    []string // what the client was told, by line of the script
	hours   int      // that have passed
}

// play returns what clients see of a script: every answer, and at the end
// everything that is there.
func (p *player) play(script []operation) ([]string, error) {
	for i, o := range script {
		answer, err := p.operation(o)
		if err == nil && p.setting.restartAt == i {
			err = p.setting.restart(p)
		}
		if err == nil {
			err = p.rest()
		}
		if err != nil {
			return nil, fmt.Errorf("line %d, %v: %w", i, o, err)
		}
		p.said = append(p.said, fmt.Sprintf("line %d, %v: %s", i, o, answer))
	}
	all, err := p.everything()
	return append(p.said, all...), err
}

const (
	// tick is that of the engine, at the second of which a partition asks again for
	// what was lost.
	tick = 25 * time.Millisecond
	// patienceOfPeers is more than that by far: the engine may come late to its ticks.
	patienceOfPeers = 16 * tick
)

// watched is a clock that counts how often the engine has asked to be woken a tick
// later.
type watched struct {
	*mem.Clock
	ticks atomic.Int64
}

// AfterFunc implements substrate.Clock.
func (w *watched) AfterFunc(d time.Duration, f func()) (stop func()) {
	defer func() {
		if d == tick {
			w.ticks.Add(1)
		}
	}()
	return w.Clock.AfterFunc(d, f)
}

// rest lets everything happen that needs no time, or only as much as it takes to
// send again what was lost. That is milliseconds: scripts count in hours.
func (p *player) rest() error {
	if p.setting.checkpoint == every {
		if err := p.hub.Now().Checkpoint(p.ctx); err != nil {
			return err
		}
	}
	for {
		owed := p.owes() // before it settles: the last answer may set it in motion
		if err := p.hub.Settle(); err != nil {
			return err
		}
		if !owed && !p.owes() {
			return nil
		}
		if err := p.tick(); err != nil {
			return err
		}
	}
}

// owes says whether something may have been lost that is yet to be sent again.
func (p *player) owes() bool { return p.lossy != nil && p.lossy.Owes(patienceOfPeers) }

// tick has the engine look for what is lost.
func (p *player) tick() error {
	ticks := p.clock.ticks.Load()
	p.clock.Advance(tick)
	for p.clock.ticks.Load() == ticks && p.ctx.Err() == nil {
		runtime.Gosched()
	}
	return p.ctx.Err()
}

// stride is how far the clock goes at a time. What falls due within happens at
// its end, so that what leads to another thing makes that as much later. Timers are
// set such that none can fall due around a full hour: only then scripts do something.
const stride = 10 * time.Minute

// advance lets hours pass. Hours are counted from the beginning, so that what
// passes of them while lost messages are sent again does not add up.
func (p *player) advance(hours int) error {
	p.hours += hours
	until := time.Duration(p.hours) * time.Hour
	for p.clock.Mono() < until {
		p.clock.Advance(min(stride, until-p.clock.Mono()))
		if err := p.rest(); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) operation(o operation) (string, error) {
	e := p.hub.Engine()
	switch o.do {
	case "start":
		return p.start(o, durable.IfExists(engine.ReplaceEnded))
	case "attach":
		return p.start(o, durable.Attach)
	case "replace":
		return p.start(o, durable.Replace)
	case "transfer":
		run, err := hubtest.Transfer.Start(p.ctx, p.hub, hubtest.Move{From: o.kind, To: o.to, Amount: int64(o.number)}, durable.ID(o.id), durable.Fail)
		return told(run != nil, err)
	case "raise":
		return told(true, said.Raise(p.ctx, p.hub, o.id, fmt.Sprint(o.number)))
	case "signal":
		return told(true, hubtest.Add.Post(p.ctx, p.hub, hubtest.Accounts.Key(o.id), int64(o.number)))
	case "suspend":
		return told(true, e.Suspend(p.ctx, o.id, "reason"))
	case "resume":
		return told(true, e.Resume(p.ctx, o.id, "reason"))
	case "terminate":
		return told(true, e.Terminate(p.ctx, engine.TerminateRequest{Instance: o.id, Output: []byte(`"ended"`), Recursive: o.number%2 == 0}))
	case "purge":
		return told(e.Purge(p.ctx, o.id, o.number%2 == 0))
	case "rewind":
		return told(true, e.Rewind(p.ctx, o.id, "reason"))
	case "read":
		n, there, err := hubtest.Accounts.Read(p.ctx, p.hub, hubtest.Accounts.Key(account(o.number%4)))
		return told([]any{n, there}, err)
	case "query":
		return p.query()
	case "advance":
		return told(true, p.advance(1+o.number))
	case "together":
		return p.together(o.together)
	}
	return "", fmt.Errorf("no operation %q", o.do)
}

// told is an answer: refusals are answers, too, other errors are errors.
func told(answer any, err error) (string, error) {
	for _, refusal := range []error{engine.ErrNotFound, engine.ErrExists, engine.ErrEnded, engine.ErrNotFailed} {
		if errors.Is(err, refusal) {
			return refusal.Error(), nil
		}
	}
	return fmt.Sprint(answer), err
}

func (p *player) start(o operation, how durable.IfExists) (string, error) {
	options := []durable.StartOption{durable.ID(o.id), how, durable.Tags{"kind": o.kind}}
	var err error
	var attached bool
	if o.kind == "circling" || o.kind == "sleeper" || o.kind == "listener" {
		handle := map[string]*durable.OrchestrationOf[int, string]{"circling": circling, "sleeper": sleeper, "listener": listener}[o.kind]
		run, startErr := handle.Start(p.ctx, p.hub, o.number, options...)
		attached, err = run != nil && run.Attached(), startErr
	} else {
		handle := map[string]*durable.OrchestrationOf[int, int]{"fan": fan, "parent": parent, "retrying": retrying, "failing": failing}[o.kind]
		run, startErr := handle.Start(p.ctx, p.hub, o.number, options...)
		attached, err = run != nil && run.Attached(), startErr
	}
	return told(attached, err)
}

// together does several things from clients of their own.
func (p *player) together(parts []operation) (string, error) {
	answers, errs := make([]string, len(parts)), make([]error, len(parts))
	var wg sync.WaitGroup
	for i, o := range parts {
		wg.Go(func() { answers[i], errs[i] = p.operation(o) })
	}
	wg.Wait()
	return strings.Join(answers, ", "), errors.Join(errs...)
}

// query lists what is there by pages. Their order is that of creation, and among
// those created at the same time it is nobody's promise.
func (p *player) query() (string, error) {
	var found []string
	for inst, err := range durable.Query(p.ctx, p.hub, engine.Query{PageSize: 3}) {
		if err != nil {
			return "", err
		}
		found = append(found, histories.Lasting(fmt.Sprint(inst.ID, " ", inst.Name, " ", inst.Status)))
	}
	slices.Sort(found)
	return strings.Join(found, ", "), nil
}

// everything describes all instances and entities, with their histories.
func (p *player) everything() (all []string, err error) {
	for _, entities := range []bool{false, true} {
		for inst, err := range durable.Query(p.ctx, p.hub, engine.Query{Entities: entities, PageSize: 5, GetOptions: engine.GetOptions{Payloads: true, Waits: true}}) {
			if err != nil {
				return nil, err
			}
			text, err := p.describe(inst)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", inst.ID, err)
			}
			all = append(all, histories.Lasting(opened(text)))
		}
	}
	slices.Sort(all)
	return all, nil
}

func (p *player) describe(inst *model.Instance) (string, error) {
	if e := inst.Entity; e != nil {
		return fmt.Sprintf("%s: state %s backlog %d locked by %q queue %q", inst.ID, e.State, e.Backlog, e.LockedBy, e.LockQueue), nil
	}
	w := inst.Waits
	text := fmt.Sprintf("%s: %s version %q %v input %s output %s custom %s failure %v tags %v events %d waits for %d messages %d tasks %d timers %d children %d calls %d locks events %q",
		inst.ID, inst.Name, inst.Version, inst.Status, inst.Input, inst.Output, inst.CustomStatus, inst.Failure, inst.Tags, 0,
		w.Messages, len(w.Tasks), len(w.Timers), len(w.Children), len(w.Calls), len(w.Locks), w.Events)
	history, err := p.hub.Engine().History(p.ctx, inst.ID)
	if err != nil {
		return "", err
	}
	if err := histories.Check(history); err != nil {
		return "", err
	}
	history = slices.Clone(history)
	for i := range history {
		history[i].Payload = []byte(opened(string(history[i].Payload)))
	}
	return text + "\n\t" + strings.Join(histories.Canonical(history), "\n\t"), nil
}
