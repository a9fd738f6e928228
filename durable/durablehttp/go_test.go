package durablehttp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/durable/durablehttp"
	"github.com/netherite-go/netherite/durable/durabletest"
	"github.com/netherite-go/netherite/internal/fuzztest"
)

// httpCall and fetch are what a program in Go has.
var (
	httpCall = durable.DeclareActivity[durablehttp.Request, durablehttp.Response](durablehttp.ActivityName)
	fetch    = durable.Orchestration("Fetch", func(ctx *durable.Context, r durablehttp.Request) (durablehttp.Response, error) {
		return httpCall.Call(ctx, r).Await()
	})
)

func TestTheTimeoutOfARequestInGoIsTheOneThatItSays(t *testing.T) {
	for _, timeout := range []time.Duration{0, 1500 * time.Microsecond, 5 * time.Second, 90 * time.Second, 30 * 24 * time.Hour} {
		content := "x"
		want := durablehttp.Request{Method: "POST", URI: "https://h/", Headers: map[string]string{"A": "b"}, Content: &content, Poll: true, Timeout: timeout}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := durablehttp.ParseRequest(text); err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s is read as %+v, %v", text, got, err)
		}
		var got durablehttp.Request
		if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is decoded as %+v, %v", text, got, err)
		}
	}
}

func TestARequestInGoThatWasWrittenWithNanosecondsIsStillRead(t *testing.T) {
	var got durablehttp.Request
	if err := json.Unmarshal([]byte(`{"method":"GET","uri":"https://h/","asynchronousPatternEnabled":true,"timeout":90000000000}`), &got); err != nil || got.Timeout != 90*time.Second || !got.Poll {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzRequestInGo(f *testing.F) {
	f.Add([]byte(`{"method":"GET","uri":"https://h/","headers":{"A":"b"},"content":"x","timeout":"1.02:03:04.5"}`))
	f.Add([]byte(`{"timeout":90000000000}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		fuzztest.Bounded(t, len(text), 64, func() {
			var r, again durablehttp.Request
			if r.UnmarshalJSON(text) != nil {
				return
			}
			written, err := json.Marshal(r)
			if err != nil {
				if r.Timeout >= 0 {
					t.Errorf("%s is read as %+v, which cannot be written: %v", text, r, err)
				}
				return
			}
			if err := json.Unmarshal(written, &again); err != nil {
				t.Errorf("%s is written as %s, which cannot be read: %v", text, written, err)
			}
		})
	})
}

func TestATimeoutInGoThatIsNoneOrForEver(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{1: 100, durable.Forever: 100_000 * 24 * time.Hour} {
		text, err := json.Marshal(durablehttp.Request{Method: "GET", URI: "https://h/", Timeout: timeout})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := durablehttp.ParseRequest(text); err != nil || got.Timeout != want {
			t.Errorf("%v: %s is read as %+v, %v", timeout, text, got, err)
		}
	}
	if text, err := json.Marshal(durablehttp.Request{Method: "GET", URI: "https://h/", Timeout: -1}); err == nil {
		t.Errorf("a negative timeout is written: %s", text)
	}
}

func TestAProgramInGoCallsAndItsTimeoutBoundsThePolling(t *testing.T) {
	s := newTarget(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.URL.Path != "/slow" {
			_, _ = io.WriteString(w, "done")
			return
		}
		w.Header().Set("Location", "/slow")
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusAccepted)
	})
	calls, err := durablehttp.New(durablehttp.Options{Hosts: []string{s.URL}, Exempt: loopback})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(calls.Close)
	h := durabletest.New(t, append(calls.Handlers(), fetch)...)
	calls.Attach(h)
	run, err := fetch.Start(t.Context(), h, durablehttp.Request{Method: "GET", URI: s.URL, Timeout: 2500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(t.Context()); err != nil || got.StatusCode != 200 || got.Content != "done" {
		t.Errorf("%+v, %v", got, err)
	}
	polling := pollingBegins(t, h)
	if run, err = fetch.Start(t.Context(), h, durablehttp.Request{Method: "GET", URI: s.URL + "/slow", Poll: true, Timeout: 2500 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	polling()
	s.await(t, h, 4)
	if _, err := run.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "timed out") {
		t.Errorf("after the timeout: %v", err)
	}
}
