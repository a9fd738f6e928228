//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
)

// What lives in the hub of the memory test: as many entities as orchestrations
// that wait, each with a state or input of its own.
const (
	memoryLimit = 64 << 20
	residentMax = 192 << 20
	liveEach    = 4 << 10
	liveBytes   = 128 << 10
	liveReads   = 400
)

var (
	blobs   = durable.Entity[string]("Blob", durable.ValidatesFirst)
	blobPut = durable.Operation(blobs, "Put", func(state *string, _ *durable.EntityContext, data string) (durable.None, error) {
		*state = data
		return durable.None{}, nil
	})
	blobSum = durable.Getter(blobs, "Sum", func(state *string, _ *durable.EntityContext) (uint32, error) { return sum(*state), nil })

	proceed = durable.Event[durable.None]("Proceed")
	// waits keeps its input until it may proceed, and then adds it up.
	waits = durable.Orchestration("Waits", func(ctx *durable.Context, data string) (uint32, error) {
		_, err := proceed.Wait(ctx, durable.Forever)
		return sum(data), err
	})
	reads = durable.Orchestration("Reads", func(ctx *durable.Context, key string) (uint32, error) {
		return blobSum.Call(ctx, blobs.Key(key)).Await()
	})
)

func sum(data string) uint32 { return crc32.ChecksumIEEE([]byte(data)) }

// noise is text that hardly compresses.
var noise = sync.OnceValue(func() string {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-+"
	rng := rand.New(rand.NewPCG(1, 9))
	b := make([]byte, liveBytes)
	for i := range b {
		b[i] = letters[rng.IntN(len(letters))]
	}
	return string(b)
})

// content is the state or input number i, unlike all others.
func content(i int) string {
	at := i * 13 % liveBytes
	return noise()[at:] + noise()[:at]
}

// footprint is what the child measured.
type footprint struct {
	Live     int64   `json:"live_bytes"`
	Filled   int64   `json:"resident_when_filled"` // the most so far
	Peak     int64   `json:"resident_peak"`
	Refused  int64   `json:"refused"`
	FillSecs float64 `json:"fill_seconds"`
	ReadSecs float64 `json:"read_seconds"`
}

// fillMemory is the child: DIR.
func fillMemory(ctx context.Context, args []string) (any, error) {
	hub, err := netherite.Open(args[0], netherite.Serve(blobs, waits, reads), netherite.Memory(memoryLimit),
		netherite.Logger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	if err != nil {
		return nil, err
	}
	f := &footprint{Live: 2 * liveEach * liveBytes}
	var refused atomic.Int64
	begin := time.Now()
	err = parallel(16, 2*liveEach, func(i int) error {
		data := content(i)
		return patiently(ctx, &refused, func() error {
			if i%2 == 0 {
				return blobPut.Post(ctx, hub, blobs.Key(fmt.Sprint(i)), data)
			}
			_, err := waits.Start(ctx, hub, data, durable.ID(fmt.Sprint("waits-", i)))
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	f.FillSecs, f.Filled = time.Since(begin).Seconds(), residentPeak()
	// All of it is live: some of each kind, everywhere, go on.
	begin = time.Now()
	err = parallel(8, liveReads, func(n int) error { return goOn(ctx, hub, n*(2*liveEach)/liveReads+n%2, &refused) })
	f.ReadSecs, f.Refused = time.Since(begin).Seconds(), refused.Load()
	err = errors.Join(err, hub.Close(ctx))
	f.Peak = residentPeak()
	return f, err
}

// goOn lets entity or orchestration i add up what it has.
func goOn(ctx context.Context, hub *netherite.Hub, i int, refused *atomic.Int64) error {
	run := waits.Attach(hub, fmt.Sprint("waits-", i))
	err := patiently(ctx, refused, func() (err error) {
		if i%2 == 0 {
			run, err = reads.Start(ctx, hub, fmt.Sprint(i))
			return err
		}
		return proceed.Raise(ctx, hub, run.ID(), durable.None{})
	})
	if err != nil {
		return err
	}
	got, err := run.Wait(ctx)
	if want := sum(content(i)); err == nil && got != want {
		err = fmt.Errorf("instance %d adds up to %d, want %d", i, got, want)
	}
	return err
}

// parallel calls do for 0 to n-1 with several clients.
func parallel(clients, n int, do func(i int) error) error {
	var next atomic.Int64
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for c := range errs {
		wg.Go(func() {
			for errs[c] == nil {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				errs[c] = do(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// patiently makes a request until the hub has room for it.
func patiently(ctx context.Context, refused *atomic.Int64, request func() error) error {
	for {
		err := request()
		if !errors.Is(err, engine.ErrBusy) {
			return err
		}
		refused.Add(1)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// residentPeak is the most that this process ever kept in memory, in bytes.
func residentPeak() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 1 << 62
	}
	if runtime.GOOS == "darwin" {
		return int64(u.Maxrss) // bytes there, kilobytes elsewhere
	}
	return int64(u.Maxrss) << 10
}

// TestMemoryLimitHolds keeps 1 GiB of live state in a hub with a memory limit of
// 64 MiB, in a process without the race detector, and reads some of it back.
func TestMemoryLimitHolds(t *testing.T) {
	var f footprint
	finish(t, start(t, "memory", t.TempDir()), &f)
	t.Logf("%d MiB live: %d MiB resident when filled, %d MiB at most; filled in %.1f s, %d requests refused; read in %.1f s",
		f.Live>>20, f.Filled>>20, f.Peak>>20, f.FillSecs, f.Refused, f.ReadSecs)
	if f.Live < 1<<30 {
		t.Errorf("only %d bytes are live", f.Live)
	}
	if f.Peak >= residentMax {
		t.Errorf("%d MiB resident, want less than %d MiB", f.Peak>>20, residentMax>>20)
	}
}
