//go:build !race

package netherite_test

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

// tableBytes is how much the tables of a hub's store have on disk.
func tableBytes(t *testing.T, dir string) (sum int64) {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(dir, "store", "*", "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range tables {
		if info, err := os.Stat(file); err == nil { // else it has just been removed
			sum += info.Size()
		}
	}
	return sum
}

func TestWhatRetentionHasPurgedIsGivenBackToTheDisk(t *testing.T) {
	replaycheck.Not(t)
	const instances, size, atOnce = 2000, 6000, 100
	echo := durable.Activity("Echo", func(_ context.Context, in []byte) ([]byte, error) { return in, nil })
	large := durable.Orchestration("Large", func(ctx *durable.Context, in []byte) ([]byte, error) { return echo.Call(ctx, in).Await() })
	dir := filepath.Join(t.TempDir(), "hub")
	open := func(keep time.Duration) *netherite.Hub {
		h, err := netherite.Open(dir, netherite.Serve(echo, large), netherite.Retention(keep))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h := open(-1)
	for range instances / atOnce {
		var runs []*durable.Run[[]byte]
		for range atOnce {
			in := make([]byte, size) // that cannot be compressed
			_, _ = rand.Read(in)     // never fails
			run, err := large.Start(t.Context(), h, in)
			if err != nil {
				t.Fatal(err)
			}
			runs = append(runs, run)
		}
		for _, run := range runs {
			if _, err := run.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := tableBytes(t, dir)

	h = open(time.Second)
	began, tick := time.Now(), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	purged := time.Duration(0)
	for limit := time.After(4 * time.Minute); ; {
		if purged == 0 {
			if page, err := h.Engine().Query(t.Context(), engine.Query{PageSize: 1}); err != nil {
				t.Fatal(err)
			} else if len(page.Instances) == 0 {
				purged = time.Since(began)
			}
		}
		after := tableBytes(t, dir)
		if purged > 0 && after < before/20 {
			t.Logf("%d instances: %d bytes of tables, purged after %v, %d bytes after %v", instances, before, purged, after, time.Since(began))
			break
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("of %d bytes of tables there are %d, purged after %v", before, after, purged)
		}
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
