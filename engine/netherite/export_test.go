package netherite

import (
	"context"
	"runtime"
	"time"

	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
)

const ReconnectGrace = reconnectGrace

// BeforeStep sets the hook that tests use to make a Step panic.
func (o *Options) BeforeStep(f func(partition int, ev partition.Event)) { o.beforeStep = f }

// BeforeMessage sets the hook that tests use to make a message panic that is applied
// under the record of another event.
func (o *Options) BeforeMessage(f func(partition int, m *model.Message)) { o.beforeMessage = f }

// KeeperTick sets how often checkpoints are considered.
func (o *Options) KeeperTick(d time.Duration) { o.keeperTick = d }

// Retire runs one round of retention.
func (e *Engine) Retire(ctx context.Context) { e.retire(ctx) }

// FullPause sets how long the committer waits on a full disk.
func (o *Options) FullPause(d time.Duration) { o.fullPause = d }

func (e *Engine) hostOf(instance string) *host {
	n, err := e.running(context.Background(), true)
	if err != nil {
		panic(err)
	}
	return n.hosts[model.PartitionOf(instance, e.params.Partitions)]
}

// Waiting counts the calls that wait for a change of an instance.
func (e *Engine) Waiting(instance string) int {
	count := make(chan int)
	e.hostOf(instance).do(func(h *host) { count <- len(h.waiters[instance]) })
	return <-count
}

// Together holds up an instance's partition while f posts to it, so that its
// next batch has all of that.
func (e *Engine) Together(instance string, f func()) {
	held, release := make(chan struct{}), make(chan struct{})
	e.hostOf(instance).do(func(*host) { close(held); <-release })
	<-held
	f()
	close(release)
}

// Arrived returns when so many requests of clients wait in the mailbox of an
// instance's partition. What partitions tell each other comes when it likes.
func (e *Engine) Arrived(instance string, n int) {
	h := e.hostOf(instance)
	for {
		h.mu.Lock()
		arrived := 0
		for i := range h.in {
			if callOf(&h.in[i]) != nil {
				arrived++
			}
		}
		h.mu.Unlock()
		if arrived >= n {
			return
		}
		runtime.Gosched()
	}
}

// MaxRecord lowers the largest record.
func (o *Options) MaxRecord(bytes int) { o.maxRecord = bytes }

// Upset makes an instance's partition panic at the end of the batch in progress,
// when it has applied everything and appended nothing.
func (e *Engine) Upset(instance string) {
	e.hostOf(instance).do(func(h *host) {
		h.waiters["not loaded"] = []*call{newCall()}
		h.batch.fx.Changes = append(h.batch.fx.Changes, partition.Change{Instance: "not loaded"})
	})
}

// PagesAtOnce is how many pages are read at a time.
const PagesAtOnce = pagesAtOnce

// WaitingForPages returns when so many queries wait for room for what they read.
func (e *Engine) WaitingForPages(n int) { e.reads.pages.awaitWaiting(n) }

// WaitingForHistories returns when so many readers of histories wait for room.
func (e *Engine) WaitingForHistories(n int) { e.reads.history.awaitWaiting(n) }

// WaitingToRead returns n when so many queries wait to be read.
func (e *Engine) WaitingToRead(n int) int {
	e.reads.underWay.awaitWaiting(n)
	return n
}

func (r *room) awaitWaiting(n int) {
	for {
		r.mu.Lock()
		waiting := len(r.waiting)
		r.mu.Unlock()
		if waiting >= n {
			return
		}
		runtime.Gosched()
	}
}

// ChecksReplay reports whether the replay checker is on.
func (e *Engine) ChecksReplay() bool { return e.opts.CheckReplay }

// ParkWhileCapturing parks an instance's partition while a checkpoint of it is under way.
func (e *Engine) ParkWhileCapturing(instance string) {
	e.hostOf(instance).do(func(h *host) {
		h.beginCapture()
		panic("beyond help")
	})
}

// IsCapturing is for the goroutine of the instance's partition.
func (e *Engine) IsCapturing(instance string) bool { return e.hostOf(instance).upkeep.capture != nil }

// OpenHeld opens a hub whose partitions have come to rest before clients see its node.
// The workers that connect connects are there before that begins.
func OpenHeld(o Options, connect func(*Engine)) (*Engine, error) {
	e, n, err := open(o)
	if err != nil {
		return nil, err
	}
	connect(e)
	for _, h := range n.hosts {
		h.poke()
	}
	entered := make(chan struct{})
	e.mu.Lock()
	go func() {
		e.enter(n)
		close(entered)
	}()
	for n.busy.Load() > 0 {
		runtime.Gosched()
	}
	e.mu.Unlock()
	<-entered
	go e.supervise(n)
	e.aside.Go(e.retain)
	return e, nil
}

// LateCheckpoint and LateDrain are Checkpoint and Drain of the current node, for when it
// has ended.
func (e *Engine) LateCheckpoint() func(context.Context) error {
	return e.hostOf("").n.checkpoint
}

func (e *Engine) LateDrain() func(context.Context) error {
	return e.hostOf("").n.drain
}

// ParkWhileHolding parks an instance's partition if that holds orchestrations back, and
// reports whether it does.
func (e *Engine) ParkWhileHolding(instance string) bool {
	holding := make(chan bool)
	e.hostOf(instance).do(func(h *host) {
		is := h.holding.Load()
		holding <- is
		if is {
			panic("beyond help")
		}
	})
	return <-holding
}

// KeeperRests reports whether nothing wakes the keeper but what is new.
func (e *Engine) KeeperRests() bool { return e.hostOf("").n.keeper.asleep.Load() }

// Occupy takes so much memory for the payload of a request, until the function is called.
func (e *Engine) Occupy(payload int) (leave func(), err error) {
	if err := e.admit(otherIntake, payload); err != nil {
		return nil, err
	}
	return func() { e.leave(payload) }, nil
}

// Paused reports whether work is held back for lack of memory.
func (e *Engine) Paused() bool { return e.hostOf("").n.paused.Load() }

// PartitionsRest reports whether no partition has anything to do.
func (e *Engine) PartitionsRest() bool { return e.hostOf("").n.busy.Load() == 0 }

// until is an answer that waits for a test.
type until chan struct{}

func (u until) release() { <-u }

// HoldUpCommit has the commit of the batch in progress wait, when that is durable and
// before what was done in it next is told, until the function is called.
func (e *Engine) HoldUpCommit(instance string) (goOn func()) {
	u := make(until)
	e.hostOf(instance).do(func(h *host) { h.batch.out = append(h.batch.out, u) })
	return func() { close(u) }
}

// CutOff appends what the batch in progress has logged, and calls a function before
// the batch goes on.
func (e *Engine) CutOff(instance string, then func()) {
	e.hostOf(instance).do(func(h *host) {
		h.cut()
		then()
	})
}
