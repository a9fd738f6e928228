package enginetest

import (
	"fmt"
	"time"

	"github.com/netherite-go/netherite/durable"
)

// memorySize holds that what the engine believes its instances take is right:
// once their histories are saved, their payloads and at most 5 % more if these
// are large.
func memorySize(s *scene) {
	gauge, small, large := s.storage.(Gauge), 100, 50<<10
	s.waiters("small", 100, small)
	s.ok(s.storage.Checkpoint(s.ctx))
	before := gauge.Held()
	if low := int64(100 * small); before < low {
		s.Errorf("100 waiting instances with %d bytes each take %d bytes, want at least %d", small, before, low)
	}
	s.waiters("large", 100, large)
	payload := int64(100 * large)
	if grown := gauge.Held() - before; grown < payload {
		s.Errorf("100 waiting instances with %d bytes each take %d bytes, want at least %d", large, grown, payload)
	}
	s.ok(s.storage.Checkpoint(s.ctx))
	s.until(fmt.Sprint("they take no more than ", payload+payload/20, " bytes"), func() bool {
		return gauge.Held()-before <= payload+payload/20
	})
	if grown := gauge.Held() - before; grown < payload {
		s.Errorf("100 waiting instances with %d bytes each take %d bytes once saved, want at least %d", large, grown, payload)
	}
}

// waiters starts instances with inputs of a size that wait for an event.
func (s *scene) waiters(name string, n, size int) {
	s.Helper()
	for i := range n {
		run := start(s, keeper, fmt.Sprint(name, "-", i), durable.Raw(text(size)))
		s.awaits(run.ID())
	}
}

// memoryControl holds that memory stays inside of its target while there are
// ever more instances than fit.
func memoryControl(s *scene, n, size int) {
	gauge := s.storage.(Gauge)
	for i := range n {
		run := start(s, keeper, fmt.Sprint("keeper-", i), durable.Raw(text(size)))
		if i%50 == 0 {
			s.awaits(run.ID())
			if held := gauge.Held(); held > s.opts.Memory*3/4 {
				s.Fatalf("%d instances take %d bytes of the engine's %d", i, held, s.opts.Memory)
			}
		}
	}
	for i := 0; i < n; i += n / 10 {
		id := s.id(fmt.Sprint("keeper-", i))
		s.raise(id, "end")
		got, err := keeper.Attach(s, id).Wait(s.ctx)
		s.ok(err)
		want(s, "result of "+id, string(got), string(text(size)))
	}
}

// keeper keeps its input until it is told to end.
var keeper = durable.Orchestration("Keeper", func(ctx *durable.Context, in durable.Raw) (durable.Raw, error) {
	_, err := operation.Wait(ctx, durable.Forever)
	return in, err
})

func timersOverRestart(s *scene) {
	run := start(s, sleeper, "sleeper", 10*time.Hour)
	s.sleeps(run.ID())
	s.close()
	s.advance(20 * time.Hour)
	s.open()
	s.serve()
	slept, err := run.Wait(s.ctx)
	s.ok(err)
	want(s, "it woke up early", slept < 10*time.Hour, false)
}
