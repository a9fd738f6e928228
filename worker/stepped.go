package worker

// Queued returns how many steps and activities of a stepped worker wait to run.
func (w *Worker) Queued() (steps, activities int) { return w.steps.waiting(), w.activities.waiting() }

// RunStep runs the i-th of the steps that wait, in the calling goroutine. It may
// wait for the engine, as reading a history does.
func (w *Worker) RunStep(i int) { w.steps.runOne(i) }

// RunActivity runs the i-th of the activities that wait, in the calling goroutine.
func (w *Worker) RunActivity(i int) { w.activities.runOne(i) }

// waiting is the length of the queue.
func (p *pool[T]) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue) - p.head
}

// runOne runs the i-th item of the queue. Code that ends its goroutine ends the
// caller's.
func (p *pool[T]) runOne(i int) {
	p.mu.Lock()
	at := p.head + i
	item := p.queue[at]
	copy(p.queue[p.head+1:at+1], p.queue[p.head:at]) // those before it stay in order
	p.queue[p.head] = item
	p.pop()
	s := &slot[T]{item: item, busy: true, held: 1}
	p.all.Add(1)
	p.total++
	p.occupied[s] = struct{}{}
	p.mu.Unlock()
	defer p.left(s)
	p.run(s, item, false)
	p.mu.Lock()
	delete(p.occupied, s)
	s.free()
	if !s.detached {
		p.total--
		if p.ran != nil {
			p.ran(item)
		}
	}
	p.mu.Unlock()
}
