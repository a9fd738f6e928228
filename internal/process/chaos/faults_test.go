//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/model"

	"github.com/netherite-go/netherite/bench/chaos"
	"github.com/netherite-go/netherite/engine"
)

// fault is something that happens to the process.
type fault uint8

const (
	faultKill         fault = iota // SIGKILL
	faultKillRecovery              // and again while the next one recovers, up to three times
	faultStop                      // SIGSTOP, SIGCONT
	faultStopKill                  // SIGSTOP, SIGKILL
	faultClose                     // an orderly restart
	faultFull                      // the disk fills up, and is freed
	faultFullKill                  // the same with a SIGKILL between
	faults
)

func (f fault) String() string {
	return [...]string{"kill", "kill in recovery", "stop", "stop and kill", "close", "full disk", "kill on a full disk"}[f]
}

// warden does the faults to the process that has the hub, and starts the next.
type warden struct {
	t       *testing.T
	seed    uint64
	r       *run
	rng     *rand.Rand
	command string
	disk    disk
	dir     string
	args    []string
	host    *host
	long    time.Duration // the longest stop
	flood   *client       // fills the log
	text    string        // what of it does not compress

	kills, stops, fulls, closes, held int
	recoveries                        []time.Duration // from the start of a process until the hub is open
	resumed                           []time.Duration // from the end of a full disk until a write is acknowledged
}

func (w *warden) log(format string, args ...any) {
	w.t.Logf("%7.2fs %s", time.Since(w.r.begun).Seconds(), fmt.Sprintf(format, args...))
}

// up starts a process and lets the clients in when the hub is open.
func (w *warden) up() error {
	var err error
	if w.host, err = launch(w.command, w.dir, w.args...); err != nil {
		return err
	}
	if err := w.host.open(); err != nil {
		return fmt.Errorf("open the hub again: %w", err)
	}
	w.recoveries = append(w.recoveries, time.Since(w.host.begun))
	return w.r.door.open(w.dir)
}

// down kills the process.
func (w *warden) down() {
	w.host.kill()
	w.r.door.shut()
	w.kills++
}

// torment does faults until time is over, in decks that have each kind, shuffled,
// with work between them. A fault that has begun is done to its end, and there is
// at least one kill, one stop and one full disk, however long they take.
func (w *warden) torment(whole context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(whole, d)
	defer cancel()
	for first := true; first || ctx.Err() == nil; first = false {
		deck := []fault{faultKill, faultStop, faultFull}
		w.rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		rest := []fault{faultKill, faultKillRecovery, faultStopKill, faultClose, faultFullKill, faultKill}
		w.rng.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
		for i, f := range append(deck, rest...) {
			needed := first && i < len(deck)
			if ctx.Err() != nil && !needed {
				return nil
			}
			if err := w.work(whole, between(w.rng, 200*time.Millisecond, 900*time.Millisecond)); err != nil {
				return err
			}
			if err := w.do(whole, f); err != nil {
				return fmt.Errorf("%v: %w", f, err)
			}
		}
	}
	return nil
}

// work lets the process work for a while. It must not end by itself.
func (w *warden) work(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-w.r.broken:
		return errors.New("something is wrong already")
	case <-w.host.done:
		return &ended{w.host.err, w.host.stderr.String()}
	}
	return nil
}

// do does one fault; afterwards the hub is open and nothing holds it up.
func (w *warden) do(ctx context.Context, f fault) error {
	switch f {
	case faultKill:
		w.log("SIGKILL to process %d", w.host.pid())
		w.down()
		pause(ctx, between(w.rng, 0, 100*time.Millisecond))
		return w.up()
	case faultKillRecovery:
		return w.killRecovery(ctx)
	case faultStop:
		return w.stop(ctx)
	case faultStopKill:
		d := between(w.rng, 50*time.Millisecond, w.long/2)
		w.log("SIGSTOP to process %d, SIGKILL after %v", w.host.pid(), d)
		if err := w.host.stop(); err != nil {
			return err
		}
		w.stops++
		pause(ctx, d)
		w.down()
		return w.up() // at once: the lock is free
	case faultClose:
		w.log("close of process %d", w.host.pid())
		w.closes++
		err := w.host.close()
		w.r.door.shut()
		return errors.Join(err, w.up())
	}
	return w.full(ctx, f == faultFullKill)
}

// killRecovery kills the process, and the next ones while they open the hub.
func (w *warden) killRecovery(ctx context.Context) error {
	w.log("SIGKILL to process %d, and to those that recover from it", w.host.pid())
	w.down()
	for range 1 + w.rng.IntN(3) {
		h, err := launch(w.command, w.dir, w.args...)
		if err != nil {
			return err
		}
		pause(ctx, between(w.rng, 0, 120*time.Millisecond))
		if h.ended() {
			return &ended{h.err, h.stderr.String()}
		}
		h.kill()
		w.kills++
	}
	return w.up()
}

// stop stops the process and lets it go on. Meanwhile, now and then, another one
// tries to open the directory.
func (w *warden) stop(ctx context.Context) error {
	d := between(w.rng, 100*time.Millisecond, w.long)
	w.log("SIGSTOP to process %d for %v", w.host.pid(), d)
	if err := w.host.stop(); err != nil {
		return err
	}
	w.stops++
	if w.rng.IntN(2) == 0 {
		if err := heldBy(ctx, w.host, w.command, w.dir); err != nil {
			return errors.Join(err, w.host.resume())
		}
		w.held++
	}
	pause(ctx, d)
	return w.host.resume()
}

// heldBy checks that another process cannot open the directory, and says why.
func heldBy(ctx context.Context, h *host, command, dir string) error {
	_, stderr, code, err := runOnce(ctx, command, "chaos-host", dir)
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("process ID %d ", h.pid()); code != 4 || !strings.Contains(stderr, want) {
		return fmt.Errorf("a second process ended with code %d, expected 4 and %q\n%s", code, want, stderr)
	}
	return nil
}

// fullWithin bounds how long it takes until a full disk is noticed, and how long
// until it is noticed that it is not full any more.
const fullWithin = 30 * time.Second

// full fills the disk while the clients work on. Writes are refused by name, reads
// are answered, the process lives; with space again all goes on by itself.
func (w *warden) full(ctx context.Context, kill bool) error {
	w.fulls++
	if err := w.disk.fill(w.host); err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	w.log("the disk is full")
	refusal, err := w.untilRefused(ctx)
	if err != nil {
		return errors.Join(err, w.disk.free(w.host))
	}
	w.log("refused: %v", refusal)
	if err := w.livesOn(ctx); err != nil {
		return errors.Join(err, w.disk.free(w.host))
	}
	pause(ctx, between(w.rng, 0, 500*time.Millisecond))
	if kill {
		if err := w.killWhileFull(); err != nil {
			return err
		}
	}
	freed := time.Now()
	if err := w.disk.free(w.host); err != nil {
		return err
	}
	if w.host.ended() {
		if err := w.up(); err != nil {
			return err
		}
	}
	if err := w.untilTaken(ctx); err != nil {
		return err
	}
	w.resumed = append(w.resumed, time.Since(freed))
	w.log("writes are taken again after %v", w.resumed[len(w.resumed)-1])
	return nil
}

// floodBytes is how much a signal of the flood carries.
const floodBytes = 1 << 20

// untilRefused sends large signals until one is refused because the disk is full.
func (w *warden) untilRefused(ctx context.Context) (refusal, err error) {
	limited, cancel := context.WithTimeout(ctx, fullWithin)
	defer cancel()
	w.flood.ledger.prefix = "flood"
	met := map[string]int{}
	for limited.Err() == nil {
		o, err := w.pour(limited, 5*time.Second)
		met[fmt.Sprintf("%v: %v", o, err)]++
		if o == refused && errors.Is(err, engine.ErrDiskFull) {
			return err, nil
		}
		if o == answered {
			return nil, fmt.Errorf("write to a full disk: %w", err)
		}
		// A checkpoint may have freed some.
		if err := w.disk.fill(w.host); err != nil {
			return nil, fmt.Errorf("fill the disk again: %w", err)
		}
	}
	return nil, fmt.Errorf("the disk is full for %v, and writes are not refused as they should be: %v", fullWithin, met)
}

// pour sends one large signal, once.
func (w *warden) pour(ctx context.Context, within time.Duration) (outcome, error) {
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	hub, err := w.r.door.wait(limited)
	if err != nil {
		return refused, err
	}
	l := w.flood.ledger
	s := chaos.Mark{N: int64(len(l.signals)), Pad: w.noise()}
	err = chaos.MarkAdd.Post(limited, hub, chaos.Marked.Key(l.prefix), s, w.flood.key())
	o := classify(err)
	l.signals = append(l.signals, o)
	return o, err
}

// noise is text that does not compress. Beside the last such text, some of it may be
// there again, further back than compression looks.
func (w *warden) noise() string {
	if w.text == "" {
		b := make([]byte, 2*floodBytes)
		for i := range b {
			b[i] = 'a' + byte(w.rng.Uint32()%26)
		}
		w.text = string(b)
	}
	from := w.rng.IntN(floodBytes)
	return w.text[from : from+floodBytes]
}

// untilTaken writes until a write is acknowledged.
func (w *warden) untilTaken(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, fullWithin)
	defer cancel()
	var err error
	for limited.Err() == nil {
		var o outcome
		if o, err = w.pour(limited, 5*time.Second); o == acknowledged {
			return nil
		}
		if o == answered {
			break
		}
		pause(limited, 20*time.Millisecond)
	}
	return fmt.Errorf("there is space again for %v, and writes are not taken: %w", fullWithin, err)
}

// livesOn checks that the process answers. It may have made some room meanwhile, by
// a checkpoint, or by the ballast that it keeps for that.
func (w *warden) livesOn(ctx context.Context) error {
	if _, err := w.host.sample(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	hub, err := w.r.door.wait(limited)
	if err != nil {
		return err
	}
	// What depends on a write that does not fit is refused, too.
	_, err = hub.Engine().Query(limited, engine.Query{PageSize: 1, Statuses: []model.Status{model.Failed}})
	if err != nil && !errors.Is(err, engine.ErrDiskFull) {
		return fmt.Errorf("query on a full disk: %w", err)
	}
	return nil
}

// killWhileFull kills the process and opens the hub again on the full disk. It may
// do so, or say that it cannot.
func (w *warden) killWhileFull() error {
	w.log("SIGKILL to process %d on the full disk", w.host.pid())
	w.down()
	h, err := launch(w.command, w.dir, w.args...)
	if err != nil {
		return err
	}
	w.host = h
	err = h.open()
	if err == nil {
		w.log("opened on the full disk")
		return w.r.door.open(w.dir)
	}
	gone, ok := errors.AsType[*ended](err)
	if !ok || !strings.Contains(gone.stderr, engine.ErrDiskFull.Error()) {
		return fmt.Errorf("open on a full disk: expected an error that says %q: %w", engine.ErrDiskFull, err)
	}
	lines := strings.Split(strings.TrimSpace(gone.stderr), "\n")
	w.log("refused to open: %s", lines[len(lines)-1])
	return nil
}
