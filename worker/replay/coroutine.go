package replay

import (
	"fmt"
	"iter"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/netherite-go/netherite/model"
)

// coroutine is a goroutine that runs one orchestration or branch at a time, and
// only while its Execution resumes it. Between two orchestrations it is idle in
// a Pool, so that a new one does not begin with an empty stack.
type coroutine struct {
	x     *Execution
	body  func() // a branch; nil for the orchestration itself
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	self  uintptr // see goroutine
	label string  // see GoroutineLabel

	queued bool // in x.ready
	idle   bool // not running any code
}

// Pool keeps idle coroutines for reuse. The zero value is ready.
type Pool struct {
	mu     sync.Mutex
	idle   []*coroutine
	closed bool
}

// maxIdle bounds the coroutines that a Pool keeps. Each has a stack of 8 KiB or so.
const maxIdle = 256

func (p *Pool) get() *coroutine {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c
	}
	p.mu.Unlock()
	c := &coroutine{}
	c.next, c.stop = iter.Pull(c.loop)
	return c
}

func (p *Pool) put(c *coroutine) {
	c.x, c.body, c.queued = nil, nil, false
	p.mu.Lock()
	if !p.closed && len(p.idle) < maxIdle {
		p.idle = append(p.idle, c)
		c = nil
	}
	p.mu.Unlock()
	if c != nil {
		c.stop()
	}
}

// Close ends the idle coroutines; those in use end when they are given back.
func (p *Pool) Close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		c.stop()
	}
}

// loop is the coroutine's life.
func (c *coroutine) loop(yield func(struct{}) bool) {
	c.yield, c.self, c.label = yield, goroutine(), GoroutineLabel()
	for {
		c.work()
		c.idle = true
		if !yield(struct{}{}) {
			return
		}
	}
}

// work runs one orchestration or branch. A panic of user code ends it with a
// failure. Goexit cannot be stopped: it ends the coroutine's goroutine and then
// that of whoever resumed it, who must expect so (see Execution.Exited).
func (c *coroutine) work() {
	x, returned := c.x, false
	x.running.Store(c)
	defer func() {
		if returned {
			return
		}
		r := recover()
		switch {
		case x.unwinding.Load():
		case r != nil:
			x.fail(PanicFailure(r, debug.Stack()))
		default:
			x.running.Store(nil)
			x.Exit()
		}
	}()
	if c.body != nil {
		c.body()
	} else {
		x.runProgram()
	}
	returned = true
}

// park waits until the coroutine is resumed. It does not return if the
// execution is given up meanwhile.
func (c *coroutine) park() {
	if !c.yield(struct{}{}) {
		runtime.Goexit()
	}
}

// unwind ends a coroutine that waits in the middle of user code. Goexit passes
// through iter.Pull to whoever calls stop, so a goroutine is spent on that.
func (c *coroutine) unwind() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }() // a deferred function of the user panicked
		c.x.running.Store(c)
		c.stop()
	}()
	<-done
	c.x.running.Store(nil)
}

// ExitFailure describes code that ended its goroutine.
func ExitFailure(stack []byte) *model.Failure {
	return &model.Failure{
		Type: model.FailurePanic, NonRetriable: true, Stack: string(stack),
		Message: "the code ended its goroutine (runtime.Goexit, or FailNow of a test)",
	}
}

// PanicFailure describes a recovered panic.
func PanicFailure(recovered any, stack []byte) *model.Failure {
	return &model.Failure{Type: model.FailurePanic, Message: fmt.Sprint(recovered), Stack: string(stack)}
}
