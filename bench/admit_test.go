package bench

import (
	"context"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
)

// TestRefusalWithinAnOperationRepeatsOnlyItsRequest: an operation of these has
// other effects than the request that is refused, which must not come twice.
func TestRefusalWithinAnOperationRepeatsOnlyItsRequest(t *testing.T) {
	for _, name := range []string{"wordcount", "waiting"} {
		t.Run(name, func(t *testing.T) {
			d := small(name)
			e := inMemory(t, Config{Workload: name, Clients: 1, Count: 3, SkipProbe: true}, d.handlers())
			l := &load{cfg: e.cfg, op: func(ctx context.Context, client, n int) (int64, error) { return d.op(ctx, e, client, n) }}
			e.admit = func(ctx context.Context, request func() error) error {
				tries := 0
				return l.admitted(ctx, func() error {
					if tries++; tries == 1 {
						return engine.ErrBusy
					}
					return request()
				})
			}
			if err := prepare(t.Context(), e, d); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			h := l.measure(t.Context())
			if first := l.firstFail.Load(); first != nil {
				t.Fatal(*first)
			}
			if err := d.check(t.Context(), e); err != nil || l.calls.Load() != 3 || l.refused.Load() < 3 {
				t.Errorf("%d calls, %d refusals: %v", l.calls.Load(), l.refused.Load(), err)
			}
			if least := time.Duration(h.Min()) * time.Microsecond; least < refusedPause-time.Millisecond || least > time.Since(begin) {
				t.Errorf("least latency %v: the pause after a refusal is not in it", least)
			}
		})
	}
}
