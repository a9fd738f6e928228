package remote

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/substrate/sysclock"
)

// An attempt is broken off as the other side may be gone; a large message on a slow line
// is not to be broken off each time.
func TestAMessageThatTakesLongComesThroughInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &link{clock: sysclock.New(), ctx: t.Context(), random: rand.New(rand.NewPCG(1, 1))}
		attempts := 0
		err := l.call(t.Context(), "complete", sending, func(ctx context.Context, _ bool) error {
			attempts++
			select {
			case <-time.After(110 * time.Second):
				return nil
			case <-ctx.Done():
				if attempts > 100 {
					t.Fatal("it is broken off each time")
				}
				return status.FromContextError(ctx.Err()).Err()
			}
		})
		if err != nil || attempts != 2 {
			t.Errorf("%d attempts: %v", attempts, err)
		}
	})
}
