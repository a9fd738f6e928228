package gate

import "sync"

// debts are what callers have been given to do in each task hub and have yet to
// answer. Their answers are owed: who refuses one leaves its work undone for as long
// as the stream lasts that it came by, as SDKs do not send it again.
type debts struct {
	mu sync.Mutex
	of map[debtor]*debt
}

type debtor struct{ caller, hub string }

// debt is that of one caller in one hub, while he has a stream of work there.
type debt struct {
	by                debtor
	streams, out, now int // now: answers under way
}

func newDebts() *debts { return &debts{of: map[debtor]*debt{}} }

// open notes a stream of work; close has to follow.
func (d *debts) open(by debtor) *debt {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.of[by]
	if o == nil {
		o = &debt{by: by}
		d.of[by] = o
	}
	o.streams++
	return o
}

// close notes the end of a stream. With the last one the hub takes back everything.
func (d *debts) close(o *debt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o.streams--; o.streams == 0 {
		delete(d.of, o.by)
	}
	o.out = min(o.out, o.streams*mostOut)
}

// given notes that something was given out by a stream.
func (d *debts) given(o *debt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o.out < o.streams*mostOut {
		o.out++
	}
}

// mostOut is more than one stream can have out: what an ended stream had is not counted
// off, and what is given anew is counted again.
const mostOut = 30_000

// repeats is how many calls may be under way for each thing that is out: one may be
// made again before the first is known to have failed.
const repeats = 2

func (o *debt) owes() bool { return o != nil && o.now < repeats*o.out }

// owes reports whether the caller has something to answer.
func (d *debts) owes(by debtor) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.of[by].owes()
}

// enter counts an answer, unless the caller owes none: then it returns nil. Else
// leave has to follow.
func (d *debts) enter(by debtor) *debt {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.of[by]
	if !o.owes() {
		return nil
	}
	o.now++
	return o
}

// leave notes the end of an answer, and whether it was taken.
func (d *debts) leave(o *debt, taken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o.now--; taken && o.out > 0 {
		o.out--
	}
}
