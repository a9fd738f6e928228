package sim

import (
	"iter"
	"runtime/debug"
	"time"
)

// task is a coroutine: of a client, or of a process, where it stands in for a
// goroutine that would block.
type task struct {
	name string
	nr   uint64
	p    *process // whose it is; nil: a client's
	peer *process // whom a client's call is to
	lost bool     // that process is gone

	f     func()
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	ready func() bool
	done  bool
}

// killed unwinds a task of a process that is gone, disconnected the call of a
// client to such a process.
type (
	killed       struct{}
	disconnected struct{}
)

// spawn begins a task, which runs at once until it waits.
func (w *world) spawn(name string, p *process, f func()) {
	w.serial++
	var t *task
	if n := len(w.idle); n > 0 { // with a stack that has grown already
		t = w.idle[n-1]
		w.idle = w.idle[:n-1]
	} else {
		t = &task{}
		t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
			t.yield = yield
			for w.runTask(t) && yield(struct{}{}) {
			}
		})
	}
	t.name, t.nr, t.p, t.f, t.done = name, w.serial, p, f, false
	w.resume(t)
}

// runTask runs a task to its end. It reports whether the coroutine can be used
// for another one.
func (w *world) runTask(t *task) (again bool) {
	defer func() {
		t.done, t.f, t.ready = true, nil, nil
		switch r := recover(); r.(type) {
		case nil:
			again = true
		case killed:
		default:
			w.fail("%s panics: %v\n%s", t.name, r, debug.Stack())
		}
	}()
	t.f()
	return true
}

func (w *world) resume(t *task) {
	before := w.task
	w.task = t
	t.next()
	w.task = before
	if t.done {
		w.idle = append(w.idle, t)
	} else {
		w.tasks = append(w.tasks, t)
	}
}

// park suspends the running task until ready says so.
func (w *world) park(ready func() bool) {
	t := w.task
	for !ready() {
		t.ready = ready
		if !t.yield(struct{}{}) {
			panic(killed{})
		}
		if t.lost {
			t.lost = false
			panic(disconnected{})
		}
	}
}

// sleep suspends the running task.
func (w *world) sleep(d time.Duration) {
	over := false
	stop := w.after(d, func() { over = true })
	defer stop()
	w.park(func() bool { return over })
}

// killTasks ends the tasks of a process, and tells clients that it is gone.
func (w *world) killTasks(p *process) {
	kept := w.tasks[:0]
	var gone []*task
	for _, t := range w.tasks {
		if t.peer == p {
			t.lost = true
		}
		if t.p == p {
			gone = append(gone, t)
		} else {
			kept = append(kept, t)
		}
	}
	clear(w.tasks[len(kept):])
	w.tasks = kept
	for _, t := range gone {
		before := w.task
		w.task = t
		t.stop()
		w.task = before
	}
}
