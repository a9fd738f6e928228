package durable

import (
	"testing"

	"github.com/netherite-go/netherite/worker"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRawPayloadsShareNoMemoryWithTheirCode(t *testing.T) {
	for name, env := range map[string]*worker.Env{"json": {}, "other": {Codec: countingCodec{new(int)}}} {
		buf := []byte("one")
		asRaw, err := encode(env, "value", Raw(buf))
		must(t, err)
		asAny, err := encode[any](env, "value", Raw(buf))
		must(t, err)
		copy(buf, "two")
		if string(asRaw) != "one" || string(asAny) != "one" {
			t.Errorf("%s: what was encoded followed the code's slice: %q, %q", name, asRaw, asAny)
		}
		back, err := decode[Raw](env, "value", asRaw)
		must(t, err)
		copy(back, "two")
		if string(asRaw) != "one" {
			t.Errorf("%s: what is durable followed the slice that was decoded: %q", name, asRaw)
		}
	}
}

func TestRawPayloadsKeepWhetherTheyAreThere(t *testing.T) {
	env := &worker.Env{}
	for _, raw := range []Raw{nil, {}} {
		payload, err := encode(env, "value", raw)
		must(t, err)
		back, err := decode[Raw](env, "value", payload)
		must(t, err)
		if (payload == nil) != (raw == nil) || (back == nil) != (raw == nil) {
			t.Errorf("nil is %v, encoded %v, decoded %v", raw == nil, payload == nil, back == nil)
		}
	}
}
