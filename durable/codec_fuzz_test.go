package durable

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/worker"
)

// FuzzDecode holds that payloads are taken as encoding/json takes them, whichever
// shortcut there is for the type, and that what is taken is the same when it is
// encoded and taken again. JSON has many forms of one value: the canonical one is
// what is encoded.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{``, `null`, `""`, `"plain"`, `"\u003c"`, `"a"b"`, `-0`, `01`, `123456789012345678`, `1234567890123456789`,
		`["a","b"]`, `["a",]`, `["a""b"]`, `["a","b"]x`, `[" ", "b"]`, `["`, `[""]`, `true`, ` 5`, `{"N":1,"List":["x"],"Deep":{"a":[null]}}`, "\xff"} {
		f.Add([]byte(s))
	}
	env := &worker.Env{}
	f.Fuzz(func(t *testing.T, payload []byte) {
		fuzztest.Bounded(t, len(payload), 400, func() {
			agrees[int](t, env, payload)
			agrees[int64](t, env, payload)
			agrees[string](t, env, payload)
			agrees[[]string](t, env, payload)
			agrees[bool](t, env, payload)
			agrees[float64](t, env, payload)
			agrees[state](t, env, payload)
			agrees[map[string]any](t, env, payload)
		})
	})
}

// state is an entity's state.
type state struct {
	N    int
	List []string
	Deep map[string]any
}

// agrees compares decode with encoding/json.
func agrees[T any](t *testing.T, env *worker.Env, payload []byte) {
	t.Helper()
	got, err := decode[T](env, "x", payload)
	var want T
	var wantErr error
	if len(payload) > 0 { // an absent payload is the zero value
		wantErr = json.Unmarshal(payload, &want)
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%q as %T: %v, encoding/json says %v", payload, got, err, wantErr)
	}
	if err != nil {
		return
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q as %T: %v, encoding/json says %v", payload, got, got, want)
	}
	encoded, err := encode(env, "x", got)
	if err != nil {
		t.Fatalf("%q is %#v, which is not encoded: %v", payload, got, err)
	}
	plain, err := json.Marshal(got)
	if err != nil || string(plain) != string(encoded) {
		t.Fatalf("%#v is encoded as %s, by encoding/json as %s", got, encoded, plain)
	}
	again, err := decode[T](env, "x", encoded)
	if err != nil || !reflect.DeepEqual(again, got) {
		t.Fatalf("%#v comes back as %#v, %v", got, again, err)
	}
}

// FuzzEncodeText holds that any text is encoded as encoding/json does, also in a list.
func FuzzEncodeText(f *testing.F) {
	f.Add("plain", "q\"uote")
	f.Add("\xff\u2028", "<&>")
	env := &worker.Env{}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, list := range [][]string{{a}, {a, b}, {b, a, b}} {
			got, err := encode(env, "x", list)
			want, _ := json.Marshal(list)
			if err != nil || string(got) != string(want) {
				t.Fatalf("%q is encoded as %s, %v, by encoding/json as %s", list, got, err, want)
			}
			back, err := decode[[]string](env, "x", got)
			if err != nil || utf8.ValidString(a) && utf8.ValidString(b) && !reflect.DeepEqual(back, list) {
				t.Fatalf("%q comes back as %q, %v", list, back, err)
			}
		}
	})
}

// FuzzEntityState holds that the state of an entity that any payload decodes to is
// the same in every way that the worker goes with it: encoded and decoded, copied,
// and encoded again.
func FuzzEntityState(f *testing.F) {
	for _, s := range []string{``, `null`, `{}`, `{"N":7,"List":["a"],"Deep":{"x":[1,2]}}`, `[]`, `{"n":1,"N":2}`} {
		f.Add([]byte(s))
	}
	code, err := Entity[state]("Fuzzed").Bind(&worker.Env{})
	if err != nil {
		f.Fatal(err)
	}
	e := code.Entity
	f.Fuzz(func(t *testing.T, payload []byte) {
		fuzztest.Bounded(t, len(payload), 100, func() {
			s, err := e.Decode(payload)
			if err != nil {
				return
			}
			first, err := e.Encode(s)
			if err != nil {
				t.Fatalf("%q is %+v, which is not encoded: %v", payload, s, err)
			}
			if first == nil {
				t.Fatal("an encoded state is none")
			}
			again, err := e.Decode(first)
			if err != nil {
				t.Fatalf("%s is not decoded: %v", first, err)
			}
			if second, err := e.Encode(again); err != nil || string(second) != string(first) {
				t.Fatalf("%s is encoded as %s the next time, %v", first, second, err)
			}
		})
	})
}
