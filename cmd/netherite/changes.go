package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// toldByHTTP is a server's hub whose changes come from its HTTP API.
type toldByHTTP struct {
	engine.Client
	at *changesAt
}

// Watch implements engine.Watcher.
func (c toldByHTTP) Watch(o engine.WatchOptions) (engine.Watch, error) { return c.at.watch(o) }

// changesAt is where changes are told.
type changesAt struct {
	url, hub, key string
	tls           *tls.Config
}

// changesWatch is a stream of them. When it breaks it is opened again, and the
// reader is told that something may have been missed.
type changesWatch struct {
	at     *changesAt
	query  url.Values
	client *http.Client
	cancel context.CancelFunc
	lines  chan told
	ended  chan struct{}
}

type told struct {
	change *engine.Change
	lost   bool
}

// reopenAfter is how long to wait before a broken stream is opened again.
const reopenAfter = time.Second

func (a *changesAt) watch(o engine.WatchOptions) (engine.Watch, error) {
	q := url.Values{}
	for name, v := range map[string]string{"instanceId": o.Instance, "instanceIdPrefix": o.IDPrefix, "taskHub": a.hub} {
		if v != "" {
			q.Set(name, v)
		}
	}
	q["name"] = o.Names
	for _, s := range o.Statuses {
		q.Add("runtimeStatus", s.String())
	}
	if o.Entities {
		q.Set("entities", "true")
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &changesWatch{
		at: a, query: q, client: &http.Client{Transport: &http.Transport{TLSClientConfig: a.tls, ForceAttemptHTTP2: true}},
		cancel: cancel, lines: make(chan told), ended: make(chan struct{}),
	}
	body, err := w.open(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	go w.run(ctx, body)
	return w, nil
}

// open opens the stream and waits until it stands.
func (w *changesWatch) open(ctx context.Context) (*bufio.Reader, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.at.url+httpapi.Base+"/changes?"+w.query.Encode(), nil)
	if err != nil {
		return nil, usagef("--http %s: %w", w.at.url, err)
	}
	if w.at.key != "" {
		r.Header.Set("Authorization", "Bearer "+w.at.key)
	}
	got, err := w.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("the HTTP API (--http): %w: %w", err, errNotServed)
	}
	if got.StatusCode != http.StatusOK {
		defer got.Body.Close()
		var p struct{ ExceptionMessage string }
		_ = json.NewDecoder(io.LimitReader(got.Body, 64<<10)).Decode(&p)
		return nil, fmt.Errorf("the HTTP API (--http %s) answers %s: %s", w.at.url, got.Status, p.ExceptionMessage)
	}
	context.AfterFunc(ctx, func() { _ = got.Body.Close() })
	b := bufio.NewReader(got.Body)
	kind, _, err := event(b)
	if err == nil && kind != "ready" {
		err = fmt.Errorf("the HTTP API (--http %s) begins with %q", w.at.url, kind)
	}
	return b, err
}

// event reads the next event.
func event(b *bufio.Reader) (kind, data string, err error) {
	for {
		line, err := b.ReadString('\n')
		if err != nil {
			return "", "", err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case field == "event":
			kind = value
		case field == "data":
			data = value
		case field == "" && value == "" && kind != "":
			return kind, data, nil
		}
	}
}

func (w *changesWatch) run(ctx context.Context, b *bufio.Reader) {
	defer close(w.ended)
	defer w.client.CloseIdleConnections()
	for {
		kind, data, err := event(b)
		t := told{lost: true}
		switch {
		case err != nil || kind == "end":
			if b = w.reopen(ctx); b == nil {
				return
			}
		case kind == "change":
			t = told{change: readChange(data)}
		}
		select {
		case w.lines <- t:
		case <-ctx.Done():
			return
		}
	}
}

// reopen opens the stream again, as soon as that can be; nil once nobody wants it.
func (w *changesWatch) reopen(ctx context.Context) *bufio.Reader {
	for {
		if rest(ctx, reopenAfter) != nil {
			return nil
		}
		if b, err := w.open(ctx); err == nil {
			return b
		}
	}
}

func readChange(data string) *engine.Change {
	var c struct {
		InstanceID, Name, Version, RuntimeStatus string
		Gone                                     bool
	}
	if err := json.Unmarshal([]byte(data), &c); err != nil {
		return nil
	}
	s, err := model.ParseStatus(c.RuntimeStatus)
	if err != nil {
		return nil
	}
	return &engine.Change{Instance: c.InstanceID, Name: c.Name, Version: c.Version, Status: s, Gone: c.Gone}
}

// Next implements engine.Watch.
func (w *changesWatch) Next(ctx context.Context) ([]engine.Change, bool, error) {
	select {
	case t := <-w.lines:
		if t.change == nil {
			return nil, true, nil
		}
		return []engine.Change{*t.change}, t.lost, nil
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	case <-w.ended:
		return nil, false, errors.New("the stream of changes has been closed")
	}
}

// Close implements engine.Watch.
func (w *changesWatch) Close() {
	w.cancel()
	<-w.ended
}
