//go:build unix

package chaos

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/netherite-go/netherite/bench/chaos"
	"github.com/netherite-go/netherite/door/owner"
	"github.com/netherite-go/netherite/durable"
)

// connect reaches the process that has a directory open.
func connect(t *testing.T, dir string) durable.Hub {
	t.Helper()
	c, err := owner.Dial(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return durable.NewHub(c, nil, 0)
}

// hubDir is a directory whose socket has a short path, so that it stays the same.
func hubDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nc-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "hub")
}

func mark(ctx context.Context, hub durable.Hub, n int64) error {
	return chaos.MarkAdd.Post(ctx, hub, chaos.Marked.Key("held"), chaos.Mark{N: n})
}

func marksOf(t *testing.T, ctx context.Context, hub durable.Hub) chaos.Marks {
	t.Helper()
	m, _, err := chaos.Marked.Read(ctx, hub, chaos.Marked.Key("held"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// stopped is a process that has a directory open, has added mark 0, and is stopped.
// Mark 1 has been asked of it since.
func stopped(ctx context.Context, t *testing.T, dir string) (h *host, hub durable.Hub, asked chan error) {
	t.Helper()
	h = launched(t, dir)
	hub = connect(t, dir)
	if err := errors.Join(mark(ctx, hub, 0), h.stop()); err != nil {
		t.Fatal(err)
	}
	asked = make(chan error, 1)
	go func() { asked <- mark(ctx, hub, 1) }()
	return h, hub, asked
}

// TestStoppedHolderKeepsTheDirectory stops the process that has a directory open.
// As long as it lives nobody else gets in, and is told who it is; when it goes on
// it serves as before. Killed while it is stopped, it lets the next one in at once,
// which has all that was acknowledged.
func TestStoppedHolderKeepsTheDirectory(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := hubDir(t)
	h, hub, asked := stopped(ctx, t, dir)
	for range 3 {
		if err := heldBy(ctx, h, command(t), dir); err != nil {
			t.Error(err)
		}
	}
	select {
	case err := <-asked:
		t.Errorf("a stopped process answered: %v", err)
	default:
	}
	if err := h.resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-asked; err != nil {
		t.Errorf("the request that waited: %v", err)
	}
	if err := errors.Join(heldBy(ctx, h, command(t), dir), mark(ctx, hub, 2), h.stop()); err != nil {
		t.Fatal(err)
	}
	h.kill()
	launched(t, dir)
	hub = connect(t, dir)
	if m := marksOf(t, ctx, hub); m.Count() != 3 || len(m.Repeated) > 0 {
		t.Errorf("the next process has %+v, expected 0 to 2", m)
	}
}

// TestStoppedHolderWhoseLockWasTakenAwayAnswersNothing stops the process that has
// a directory open and removes its lock's file, so that another one gets in. When
// the first one goes on, it can acknowledge nothing, and has nothing to tell.
func TestStoppedHolderWhoseLockWasTakenAwayAnswersNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := hubDir(t)
	h, hub, asked := stopped(ctx, t, dir)
	if err := os.Remove(filepath.Join(dir, "LOCK")); err != nil {
		t.Fatal(err)
	}
	launched(t, dir)
	next := connect(t, dir)
	if err := errors.Join(mark(ctx, next, 2), h.resume()); err != nil {
		t.Fatal(err)
	}
	if err := <-asked; err == nil {
		t.Error("the first process acknowledged what the second one does not have")
	}
	if m, _, err := chaos.Marked.Read(ctx, hub, chaos.Marked.Key("held")); err == nil {
		t.Errorf("the first process tells of %+v", m)
	}
	if m := marksOf(t, ctx, next); m.Count() != 2 || len(m.Repeated) > 0 {
		t.Errorf("the second process has %+v, expected 0 and 2", m)
	}
}
