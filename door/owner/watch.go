package owner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/netherite-go/netherite/engine"
)

// watchName is the call whose answer has no end: a line for what changes, each time
// that something does.
const watchName = "Watch"

// news is a line of it; the first one is empty.
type news struct {
	Changes []engine.Change `json:",omitempty"`
	Lost    bool            `json:",omitempty"`
	Error   *wireError      `json:",omitempty"`
}

// tell answers a Watch. An error before the first line is an answer like others.
func tell(w http.ResponseWriter, r *http.Request, c engine.Client, raw json.RawMessage) error {
	watcher, ok := c.(engine.Watcher)
	if !ok {
		return fmt.Errorf("%w: this hub does not tell what changes", engine.ErrInvalid)
	}
	var o engine.WatchOptions
	if err := json.Unmarshal(raw, &o); err != nil {
		return fmt.Errorf("%w: arguments: %w", engine.ErrInvalid, err)
	}
	watch, err := watcher.Watch(o)
	if err != nil {
		return err
	}
	defer watch.Close()
	lines, out := json.NewEncoder(w), http.NewResponseController(w)
	for n := (news{}); ; {
		if lines.Encode(n) != nil || out.Flush() != nil || n.Error != nil {
			return nil // the reader has gone
		}
		n = news{}
		if n.Changes, n.Lost, err = watch.Next(r.Context()); err != nil {
			n.Error = encodeError(err)
		}
	}
}

var _ engine.Watcher = (*Client)(nil)

// Watch implements engine.Watcher.
func (c *Client) Watch(o engine.WatchOptions) (engine.Watch, error) { return c.watch(o) }

// watch is a Watch of another process.
type watch struct {
	cancel context.CancelFunc
	lines  chan news
	ended  chan struct{} // closed when there are no more lines; err says why
	err    error
}

// newWatch begins to watch. It returns once the hub does.
func newWatch(hc *http.Client, o engine.WatchOptions) (engine.Watch, error) {
	body, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode the arguments of %s: %w", watchName, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{cancel: cancel, lines: make(chan news), ended: make(chan struct{})}
	begun := make(chan error, 1)
	go func() {
		defer close(w.ended)
		w.err = w.read(ctx, hc, body, begun)
	}()
	select {
	case err = <-begun:
	case <-w.ended:
		err = w.err
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// read passes lines on until there are no more.
func (w *watch) read(ctx context.Context, hc *http.Client, body []byte, begun chan<- error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://owner"+version+watchName, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := hc.Do(req)
	if err != nil {
		return noAnswer(ctx, watchName, err)
	}
	defer resp.Body.Close()
	lines := json.NewDecoder(resp.Body)
	for first := true; ; first = false {
		var n news
		if err := lines.Decode(&n); err != nil {
			return noAnswer(ctx, watchName, err)
		}
		switch {
		case n.Error != nil:
			return decodeError(n.Error)
		case first:
			begun <- nil
			continue
		}
		select {
		case w.lines <- n:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Next implements engine.Watch.
func (w *watch) Next(ctx context.Context) ([]engine.Change, bool, error) {
	select {
	case n := <-w.lines:
		return n.Changes, n.Lost, nil
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	case <-w.ended:
		if errors.Is(w.err, context.Canceled) {
			return nil, false, engine.ErrClosed
		}
		return nil, false, w.err
	}
}

// Close implements engine.Watch.
func (w *watch) Close() {
	w.cancel()
	<-w.ended
}
