package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/netherite-go/netherite"
)

// closeWithin bounds a close: what runs then runs again at the next opening.
const closeWithin = 20 * time.Second

// Host is a process that is nothing but a hub. On standard input it takes, each on
// a line of its own:
//
//	sample      print a Sample
//	limit N     let no file grow beyond N bytes; -1: as before
//	close       close the hub and end, as the end of the input does
//
// On standard output it prints a line for each, a Line as JSON, and one when the
// hub is open.
type Host struct {
	Dir     string
	Options []netherite.Option
}

// Line is what a host prints; one of the fields is set.
type Line struct {
	Open   *Opened `json:"open,omitempty"`
	Sample *Sample `json:"sample,omitempty"`
	Limit  *int64  `json:"limit,omitempty"`
	Closed bool    `json:"closed,omitempty"`
}

// Opened says that the hub is open, and what that took.
type Opened struct {
	PID      int     `json:"pid"`
	Seconds  float64 `json:"seconds"`
	Replayed int64   `json:"replayed"` // records
}

// Sample is what the process is at a moment.
type Sample struct {
	Goroutines int             `json:"goroutines"`
	Health     string          `json:"health"` // what keeps the hub from serving everything; empty if nothing does
	Stats      netherite.Stats `json:"stats"`
}

// Run opens the hub and serves it until it is told to close, the input ends, or
// ctx does.
func (h *Host) Run(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	keepFileLimitQuiet()
	begin := time.Now()
	hub, err := netherite.Open(h.Dir, append([]netherite.Option{netherite.Serve(Handlers()...)}, h.Options...)...)
	if err != nil {
		return err
	}
	say := json.NewEncoder(out)
	if err := say.Encode(Line{Open: &Opened{os.Getpid(), time.Since(begin).Seconds(), hub.Stats().Replayed}}); err != nil {
		return errors.Join(err, hub.Close(ctx))
	}
	err = serve(ctx, hub, commands(in), say)
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	if err = errors.Join(err, hub.Close(limited)); err != nil {
		return err
	}
	return say.Encode(Line{Closed: true})
}

// commands are the lines of the input. Its goroutine ends with the input, or else
// with the process: a read of standard input cannot be broken off.
func commands(in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			lines <- strings.TrimSpace(s.Text())
		}
	}()
	return lines
}

func serve(ctx context.Context, hub *netherite.Hub, lines <-chan string, say *json.Encoder) error {
	for {
		var line string
		var more bool
		select {
		case <-ctx.Done():
			return nil
		case line, more = <-lines:
		}
		switch what, arg, _ := strings.Cut(line, " "); {
		case !more || what == "close":
			return nil
		case what == "sample":
			if err := say.Encode(Line{Sample: sample(hub)}); err != nil {
				return err
			}
		case what == "limit":
			n, err := strconv.ParseInt(arg, 10, 64)
			if err == nil {
				err = limitFiles(n)
			}
			if err == nil {
				err = say.Encode(Line{Limit: &n})
			}
			if err != nil {
				return fmt.Errorf("limit the size of files to %q: %w", arg, err)
			}
		default:
			return fmt.Errorf("command %q: want sample, limit N or close", line)
		}
	}
}

func sample(hub *netherite.Hub) *Sample {
	s := &Sample{Goroutines: runtime.NumGoroutine(), Stats: hub.Stats()}
	if err := hub.Health(); err != nil {
		s.Health = err.Error()
	}
	return s
}
