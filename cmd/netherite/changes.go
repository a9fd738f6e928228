package main

import (
	"bufio"
	"cmp"
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
	"github.com/netherite-go/netherite/remote"
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
	err    error // why it has ended, if not by Close
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
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the address is said already
		}
		if speaksOther(err) {
			err = errors.New("what answers there does not speak HTTP: is it the gRPC address of the server?")
		}
		return nil, w.at.silent(err.Error())
	}
	stream := strings.HasPrefix(got.Header.Get("Content-Type"), "text/event-stream")
	if got.StatusCode != http.StatusOK || !stream {
		defer got.Body.Close()
		return nil, w.at.refused(got)
	}
	context.AfterFunc(ctx, func() { _ = got.Body.Close() })
	b := bufio.NewReader(got.Body)
	switch kind, _, err := event(b); {
	case err != nil:
		return nil, w.at.silent(err.Error())
	case kind != "ready":
		return nil, w.at.none(fmt.Sprintf("its stream begins with %q", kind))
	}
	return b, nil
}

// speaksOther reports whether what answers does not speak HTTP. A gRPC server speaks
// first: net/http may see that before it has asked, or after.
func speaksOther(err error) bool {
	return strings.Contains(err.Error(), "malformed HTTP ") || strings.Contains(err.Error(), "readLoopPeekFailLocked")
}

// lasting is an error that is the same the next time.
type lasting struct{ error }

// Unwrap returns what was answered.
func (r lasting) Unwrap() error { return r.error }

// silent says that there is no answer, which may come later.
func (a *changesAt) silent(why string) error {
	return withCode{errNotServed, fmt.Sprintf("the HTTP API (--http %s) does not answer: %s", a.url, why)}
}

// none says that what answers is something else.
func (a *changesAt) none(why string) error {
	return lasting{withCode{errNotServed, fmt.Sprintf("what answers at --http %s is not the HTTP API of a server (%s): give its address alone, such as http://127.0.0.1:8082", a.url, why)}}
}

// refused says what an answer means that is no stream. The API says what is wrong in
// JSON: what does not is something else, or a proxy before it.
func (a *changesAt) refused(got *http.Response) error {
	var p struct{ ExceptionMessage string }
	body, _ := io.ReadAll(io.LimitReader(got.Body, 64<<10))
	_ = json.Unmarshal(body, &p)
	said := strings.TrimSuffix(got.Status+": "+p.ExceptionMessage, ": ")
	switch status := got.StatusCode; {
	case status == http.StatusUnauthorized && a.key == "":
		return lasting{fmt.Errorf("the HTTP API (--http %s) wants to know who calls (%s): give it a key with --api-key-file", a.url, said)}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return lasting{fmt.Errorf("the HTTP API (--http %s) refuses this API key: %s", a.url, said)}
	case status == http.StatusNotFound && strings.Contains(p.ExceptionMessage, "task hub"):
		return lasting{withCode{remote.ErrNoHub, fmt.Sprintf("the HTTP API (--http %s) answers %s", a.url, said)}}
	case status == http.StatusBadRequest && strings.Contains(string(body), "HTTP request to an HTTPS server"): // of net/http
		return lasting{withCode{errNotServed, fmt.Sprintf("the HTTP API (--http %s) speaks TLS: write --http https://%s", a.url, strings.TrimPrefix(a.url, "http://"))}}
	case strings.HasPrefix(got.Header.Get("Content-Type"), "application/grpc"):
		return a.none(said + ", as gRPC does: is it the gRPC address of the server?")
	case status >= 500 && p.ExceptionMessage == "":
		return a.silent(said)
	case status == http.StatusNotFound || p.ExceptionMessage == "":
		return a.none(said)
	}
	return fmt.Errorf("the HTTP API (--http %s) answers %s", a.url, said)
}

// checkHTTP refuses what is no address of an HTTP API.
func checkHTTP(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return usagef("--http %s: it is no URL such as http://127.0.0.1:8082", address)
	}
	return nil
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
			if b, w.err = w.reopen(ctx); b == nil {
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

// reopen opens the stream again, as soon as that can be; none once nobody wants it,
// or it is refused for good.
func (w *changesWatch) reopen(ctx context.Context) (*bufio.Reader, error) {
	for {
		if rest(ctx, reopenAfter) != nil {
			return nil, nil
		}
		b, err := w.open(ctx)
		if _, never := errors.AsType[lasting](err); err == nil || never {
			return b, err
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
		return nil, false, cmp.Or(w.err, errors.New("the stream of changes has been closed"))
	}
}

// Close implements engine.Watch.
func (w *changesWatch) Close() {
	w.cancel()
	<-w.ended
}
