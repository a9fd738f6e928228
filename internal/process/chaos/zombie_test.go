//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite/bench/chaos"
	"github.com/netherite-go/netherite/durable"
)

// noted is what was acknowledged to those who post marks: how many, from mark 0 of
// each key on, without a gap.
type noted struct {
	mu   sync.Mutex
	acks map[string]int64
}

func (n *noted) add(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.acks[key]++
}

// post adds mark after mark to keys of its own, until one is refused.
func (n *noted) post(ctx context.Context, hub durable.Hub, name string, each func()) {
	pad := strings.Repeat("x", 4<<10)
	for i := int64(0); ; i++ {
		key := fmt.Sprintf("%s-%d", name, i%16)
		if chaos.MarkAdd.Post(ctx, hub, chaos.Marked.Key(key), chaos.Mark{N: i / 16, Pad: pad}) != nil {
			return
		}
		n.add(key)
		each()
	}
}

// audit reads all that was acknowledged.
func (n *noted) audit(ctx context.Context, t *testing.T, hub durable.Hub) {
	t.Helper()
	for key, acks := range n.acks {
		m, _, err := chaos.Marked.Read(ctx, hub, chaos.Marked.Key(key))
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		for i := range acks {
			if !m.Has(i) {
				t.Errorf("%s: mark %d of %d that were acknowledged is not there: %+v", key, i, acks, m)
				break
			}
		}
		if len(m.Repeated) > 0 {
			t.Errorf("%s: marks were repeated: %+v", key, m)
		}
	}
}

// under has four clients post marks until so many have been acknowledged, then calls
// then; they go on until they are refused. end waits for them.
func (n *noted) under(ctx context.Context, hub durable.Hub, name string, count int64, then func() error) (end func(), err error) {
	var left atomic.Int64
	left.Store(count)
	var clients sync.WaitGroup
	reached, ended := make(chan struct{}), make(chan struct{})
	for c := range 4 {
		clients.Go(func() {
			n.post(ctx, hub, fmt.Sprintf("%s-%d", name, c), func() {
				if left.Add(-1) == 0 {
					close(reached)
				}
			})
		})
	}
	go func() {
		clients.Wait()
		close(ended)
	}()
	select {
	case <-reached:
		return func() { <-ended }, then()
	case <-ended:
		return nil, fmt.Errorf("all clients were refused with %d of %d marks left", left.Load(), count)
	}
}

// TestStoppedHolderLeavesTheStoreToTheNextOne stops a process that takes one checkpoint
// after the other, and removes its lock's file, so that another one gets in and does
// the same. When the first one goes on, in the middle of what it was at, it breaks
// nothing of what the second one has.
func TestStoppedHolderLeavesTheStoreToTheNextOne(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := hubDir(t)
	ledger := &noted{acks: map[string]int64{}}
	for round := range 3 {
		h := launched(t, dir, "--checkpoint-bytes", "8192")
		ended, err := ledger.under(ctx, connect(t, dir), fmt.Sprintf("%d-first", round), int64(200+37*round), h.stop)
		if err == nil {
			err = os.Remove(filepath.Join(dir, "LOCK"))
		}
		if err != nil {
			t.Fatal(err)
		}
		next := launched(t, dir, "--checkpoint-bytes", "8192")
		hub := connect(t, dir)
		nextCtx, stop := context.WithCancel(ctx)
		nextEnded, err := ledger.under(nextCtx, hub, fmt.Sprintf("%d-next", round), 400, h.resume)
		if err != nil {
			t.Fatal(err)
		}
		ended() // refused
		if err := h.close(); err != nil {
			t.Logf("the first process: %v", err) // it may well have something to say
		}
		stop()
		nextEnded()
		ledger.audit(ctx, t, hub)
		if err := next.close(); err != nil {
			t.Fatal(err)
		}
		stdout, stderr, code, err := runOnce(ctx, command(t), "inspect", "--verify", dir)
		if err = errors.Join(err, ctx.Err()); err != nil || code != 0 || !strings.HasPrefix(stdout, "ok: ") {
			t.Fatalf("inspect --verify: code %d, %v\n%s%s", code, err, stdout, stderr)
		}
	}
	launched(t, dir)
	ledger.audit(ctx, t, connect(t, dir))
}
