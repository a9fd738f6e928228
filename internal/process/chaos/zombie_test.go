//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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

// halt is stop, and waits until all of the process stands still.
func (h *host) halt() error {
	if err := h.stop(); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(h.pid(), &status, syscall.WUNTRACED, nil); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// filesOf lists the files of a hub's parts that have checkpoints, with sizes and times
// of change.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, part := range []string{"store", "side"} {
		err := filepath.WalkDir(filepath.Join(dir, part), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
				return nil
			}
			if err == nil {
				var info fs.FileInfo
				if info, err = d.Info(); err == nil {
					files[path] = fmt.Sprintf("%d bytes, changed %v", info.Size(), info.ModTime())
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// changed names the files that are not as they were.
func changed(before, after map[string]string) (what []string) {
	for path, is := range after {
		if before[path] != is {
			what = append(what, fmt.Sprintf("%s: %s, before: %q", path, is, before[path]))
		}
	}
	for path := range before {
		if after[path] == "" {
			what = append(what, path+" is gone")
		}
	}
	return what
}

// TestStoppedHolderLeavesTheStoreToTheNextOne stops a process that takes one checkpoint
// after the other, and removes its lock's file, so that another one gets in and does
// the same. When the first one goes on, in the middle of what it was at, it breaks
// nothing of what the second one has: that is seen while the second one works, and
// while it is stopped itself, when no file may change. One may, at most: the first one
// may have been stopped between a look and what it looked for.
func TestStoppedHolderLeavesTheStoreToTheNextOne(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := hubDir(t)
	ledger := &noted{acks: map[string]int64{}}
	var spoiled []string
	for round := range 4 {
		still := round%2 == 0
		h := launched(t, dir, "--checkpoint-bytes", "8192")
		ended, err := ledger.under(ctx, connect(t, dir), fmt.Sprintf("%d-first", round), int64(200+37*round), h.halt)
		if err == nil {
			err = os.Remove(filepath.Join(dir, "LOCK"))
		}
		if err != nil {
			t.Fatal(err)
		}
		next := launched(t, dir, "--checkpoint-bytes", "8192")
		hub := connect(t, dir)
		nextCtx, stop := context.WithCancel(ctx)
		defer stop()
		then := h.resume
		if still {
			then = next.halt
		}
		nextEnded, err := ledger.under(nextCtx, hub, fmt.Sprintf("%d-next", round), 400, then)
		if err != nil {
			t.Fatal(err)
		}
		var before map[string]string
		if still {
			before = filesOf(t, dir)
			if err := h.resume(); err != nil {
				t.Fatal(err)
			}
		}
		ended() // refused
		if err := h.close(); err != nil {
			t.Logf("the first process: %v", err) // it may well have something to say
		}
		if still {
			spoiled = append(spoiled, changed(before, filesOf(t, dir))...)
			if err := next.resume(); err != nil {
				t.Fatal(err)
			}
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
	if len(spoiled) > 1 {
		t.Errorf("what was the second process's was changed by the first one:\n%s", strings.Join(spoiled, "\n"))
	}
	launched(t, dir)
	ledger.audit(ctx, t, connect(t, dir))
}
