package durable

import (
	"reflect"
	"testing"

	"github.com/netherite-go/netherite/worker"
)

// countingCodec is a codec of somebody else's: nothing may go around it.
type countingCodec struct{ calls *int }

func (c countingCodec) Encode(v any) ([]byte, error) { *c.calls++; return JSON.Encode(v) }
func (c countingCodec) Decode(payload []byte, v any) error {
	*c.calls++
	return JSON.Decode(payload, v)
}
func roundTrip[T any](t *testing.T, e *worker.Env, v T) string {
	t.Helper()
	payload, err := encode(e, "value", v)
	if err != nil {
		t.Fatal(err)
	}
	back, err := decode[T](e, "value", payload)
	if err != nil {
		t.Fatalf("%q: %v", payload, err)
	}
	again, err := encode(e, "value", back)
	if err != nil || string(again) != string(payload) {
		t.Errorf("%q came back as %q (%v)", payload, again, err)
	}
	return string(payload)
}

func TestPlainPayloadsAreWhatJSONWouldWrite(t *testing.T) {
	env := &worker.Env{}
	for _, s := range []string{"", "plain", `quo"te`, "back\\slash", "<tag>", "ümlaut", "\x00", "a\nb"} {
		want, err := JSON.Encode(s)
		if got := roundTrip(t, env, s); err != nil || got != string(want) {
			t.Errorf("%q: %s, JSON writes %s (%v)", s, got, want, err)
		}
		if got := roundTrip[any](t, env, s); got != string(want) {
			t.Errorf("%q as an interface: %s", s, got)
		}
	}
	for _, n := range []int{0, -1, 1 << 62, -1 << 63} {
		want, _ := JSON.Encode(n)
		if got := roundTrip(t, env, n); got != string(want) {
			t.Errorf("%d: %s", n, got)
		}
	}
	for _, list := range [][]string{nil, {}, {""}, {"a"}, {"a", "b c", ""}, {"a", `quo"te`}, {"]", ",", "["}, {"ü", "a"}} {
		want, _ := JSON.Encode(list)
		if got := roundTrip(t, env, list); got != string(want) {
			t.Errorf("%q: %s, JSON writes %s", list, got, want)
		}
	}
	for _, text := range []string{`[]`, `[ "a" , "b" ]`, `["a","b"]`, `["a\u0041"]`, `[""]`, `null`, `["a",null]`,
		`["a"`, `["a",]`, `["a""b"]`, `["a"]]`, `["a],"b"]`, `[a]`, `[,"a"]`, `["a","b]`, `"a"]`, `[1]`, `["]`} {
		var want []string
		wantErr := JSON.Decode([]byte(text), &want)
		if got, err := decode[[]string](env, "value", []byte(text)); (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v; JSON reads %q, %v", text, got, err, want, wantErr)
		}
	}
	for _, bad := range []string{`"open`, `nul`, `01`, `"a"b"`, `{}`} {
		if v, err := decode[string](env, "value", []byte(bad)); err == nil {
			t.Errorf("%s is a string: %q", bad, v)
		}
		if v, err := decode[int](env, "value", []byte(bad)); err == nil {
			t.Errorf("%s is an integer: %d", bad, v)
		}
	}
}

func TestRawAndNonePayloadsPassNoCodecEvenAsInterfaces(t *testing.T) {
	calls := 0
	env := &worker.Env{Codec: countingCodec{&calls}}
	if got := roundTrip(t, env, Raw("as it is")); got != "as it is" {
		t.Errorf("raw: %q", got)
	}
	for _, v := range []any{Raw("as it is"), None{}} {
		if payload, err := encode(env, "value", v); err != nil || string(payload) != string(asRaw(v)) {
			t.Errorf("%T: %q, %v", v, payload, err)
		}
	}
	if calls != 0 {
		t.Errorf("%d calls of the codec", calls)
	}
	roundTrip(t, env, "text")
	if calls != 3 {
		t.Errorf("%d calls of the codec for a text that is encoded twice and decoded once", calls)
	}
}

func asRaw(v any) Raw { r, _ := v.(Raw); return r }
