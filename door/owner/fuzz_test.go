package owner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/fuzztest"
)

// methodNames are the calls of the protocol, in order.
func methodNames() (names []string) {
	for name := range methods { // sorted: below
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// FuzzRequest holds that the server answers any request with JSON, and that what
// it took from an accepted one it takes from that again when it is encoded. JSON
// has many forms of one value; the canonical one is what the client sends.
func FuzzRequest(f *testing.F) {
	for _, name := range methodNames() {
		f.Add(name, []byte(`{"Instance":"a","Name":"N","Input":"eA==","At":7,"Tags":{"k":"v"},"Token":"t","Recursive":true}`))
		f.Add(name, []byte(`"a"`))
		f.Add(name, []byte(`null`))
	}
	f.Add("None", []byte(`{}`))
	f.Add("Query", []byte(`{"Statuses":["Completed","nothing"],"PageSize":-9223372036854775808}`))
	f.Fuzz(func(t *testing.T, method string, body []byte) {
		fuzztest.Bounded(t, len(body)+len(method), 100, func() {
			asked := ask(t, method, body)
			if asked == nil {
				return
			}
			again := &recorder{answer: asked.answer}
			if err := callAgain(again, asked); err != nil {
				t.Fatalf("%s of %s: %v", method, body, err)
			}
			if again.call != asked.call || !sameArgs(again.args, asked.args) {
				t.Fatalf("%s(%#v) is sent on as %s(%#v)", asked.call, asked.args, again.call, again.args)
			}
		})
	})
}

// ask sends a request and returns what the hub was asked, nil if nothing.
func ask(t *testing.T, method string, body []byte) *recorder {
	r := &recorder{}
	s := &Server{limit: 1 << 20}
	request := httptest.NewRequest(http.MethodPost, "http://owner/", bytes.NewReader(body))
	request.URL.Path = version + method
	answer := httptest.NewRecorder()
	s.handler(r, nil).ServeHTTP(answer, request)
	var out struct {
		Result json.RawMessage
		Error  *wireError
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &out); err != nil {
		t.Fatalf("%s of %s is answered by %s: %v", method, body, answer.Body, err)
	}
	switch {
	case out.Error != nil && (answer.Code != http.StatusBadRequest || out.Error.Message == ""):
		t.Fatalf("status %d: %+v", answer.Code, out.Error)
	case out.Error != nil:
		return nil
	case r.call != method:
		t.Fatalf("%s arrived as %q", method, r.call)
	}
	return r
}

// callAgain makes the call that a recorder has noted, through the protocol.
func callAgain(to *recorder, asked *recorder) error {
	c := &Client{post: func(ctx context.Context, method string, args, result any) error {
		raw, err := json.Marshal(args)
		if err != nil {
			return err
		}
		_, err = methods[method](ctx, to, raw)
		return err
	}}
	in := []reflect.Value{reflect.ValueOf(context.Background())}
	for _, a := range asked.args {
		in = append(in, reflect.ValueOf(a))
	}
	out := reflect.ValueOf(c).MethodByName(asked.call).Call(in)
	err, _ := out[len(out)-1].Interface().(error)
	return err
}

// sameArgs compares arguments as JSON tells them apart: nothing and empty are one.
func sameArgs(a, b []any) bool {
	x, err := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err == nil && err2 == nil && bytes.Equal(x, y)
}

// FuzzAnswer holds that the client takes any answer of a hub, or refuses it, for
// every call.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"result":{"ID":"a","Status":"Completed","Tags":{},"Failure":{"Cause":{}}}}`))
	f.Add([]byte(`{"result":[{"Kind":1,"Ext":{"CarryOver":[{}]}}]}`))
	f.Add([]byte(`{"result":{"Instances":[null]},"error":{"code":"unavailable","message":"m","partitions":[1]}}`))
	f.Add([]byte(`{"error":{"code":"quarantined"}}`))
	f.Add([]byte(`{"error":{}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		hc := &http.Client{Transport: given(body)}
		fuzztest.Bounded(t, len(body), 2000, func() {
			c := &Client{post: func(ctx context.Context, method string, args, result any) error {
				return post(ctx, hc, method, args, result)
			}}
			ctx := context.Background()
			_, err := c.Start(ctx, engine.StartRequest{})
			err = errors.Join(err, c.Raise(ctx, engine.RaiseRequest{}))
			m, err2 := c.Get(ctx, "a", engine.GetOptions{})
			events, err3 := c.History(ctx, "a")
			page, err4 := c.Query(ctx, engine.Query{})
			_, err5 := c.Purge(ctx, "a", false)
			_, _, err6 := c.PurgeWhere(ctx, engine.Query{})
			_, err7 := c.CleanEntities(ctx, engine.CleanOptions{})
			for _, err := range []error{err, err2, err3, err4, err5, err6, err7} {
				if err != nil && strings.TrimSpace(err.Error()) == "" {
					t.Fatal("an error without a text")
				}
			}
			for _, v := range []any{m, events, page} {
				if _, err := json.Marshal(v); err != nil {
					t.Fatalf("%+v was read from %s and cannot be written: %v", v, body, err)
				}
			}
		})
	})
}

// FuzzNews holds that whatever a hub tells of what changes is read to its end, which has
// a reason, and that news are the same when they are told on.
func FuzzNews(f *testing.F) {
	f.Add([]byte(`{}{"Changes":[{"Instance":"i","Name":"n","Status":"Failed","Gone":true}]}{"Lost":true}{"Error":{"code":"closed","message":"m"}}`))
	f.Add([]byte(`{"Error":{"code":"invalid"}}`))
	f.Add([]byte(`{"Changes":[{"Status":"none"}]}`))
	f.Add([]byte(`{}{"Changes":null}[`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		fuzztest.Bounded(t, len(body), 2000, func() {
			w, err := newWatch(&http.Client{Transport: given(body)}, engine.WatchOptions{})
			for err == nil {
				var n, again news
				if n.Changes, n.Lost, err = w.Next(context.Background()); err != nil {
					w.Close()
					break
				}
				text, bad := json.Marshal(n)
				if bad == nil {
					bad = json.Unmarshal(text, &again)
				}
				if diff := cmp.Diff(n, again, cmpopts.EquateEmpty()); bad != nil || diff != "" {
					t.Fatalf("%s is read as something else (%v):\n%s", text, bad, diff)
				}
			}
			if strings.TrimSpace(err.Error()) == "" {
				t.Fatal("an end without a reason")
			}
		})
	})
}

// given is a transport that answers every call with the same body.
type given []byte

func (g given) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(g))}, nil
}

// FuzzErrorOnTheWire holds that an error that was read is written as it was: with
// the code and the text, unless nobody knows the code or there is no text.
func FuzzErrorOnTheWire(f *testing.F) {
	for _, err := range []error{engine.ErrNotFound, engine.ErrDamaged, context.Canceled} {
		f.Add(engine.CodeOf(err), "message", 0)
	}
	f.Add("unheard-of", "m", 2)
	f.Fuzz(func(t *testing.T, code, message string, partitions int) {
		w := &wireError{Code: code, Message: message}
		for i := range min(max(partitions, 0), 100) {
			w.Partitions = append(w.Partitions, i)
		}
		got := encodeError(decodeError(w))
		if engine.OfCode(code) == nil {
			w.Code = internal
		}
		if !reflect.DeepEqual(got, w) {
			t.Fatalf("%+v is written as %+v", w, got)
		}
	})
}
