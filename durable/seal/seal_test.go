package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/durable/seal"
	"github.com/netherite-go/netherite/internal/fuzztest"
)

// fixed is the same key in each run of the tests.
func fixed(id string, first byte) seal.Key {
	k := seal.Key{ID: id, Secret: make([]byte, seal.SecretBytes)}
	for i := range k.Secret {
		k.Secret[i] = first + byte(i)
	}
	return k
}

func codec(t testing.TB, o seal.Options) *seal.Codec {
	t.Helper()
	c, err := seal.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sealed(t testing.TB, c *seal.Codec, v any) []byte {
	t.Helper()
	b, err := c.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var one, two = fixed("one", 1), fixed("two", 100)

func TestWhatWasSealedOpensAndIsUnreadableMeanwhile(t *testing.T) {
	c := codec(t, seal.Options{Keys: []seal.Key{one}, Context: "orders"})
	for _, v := range []any{"a text of which nothing must be seen", 7, nil, []string{"canary"}, map[string]any{"a": 1.5}, strings.Repeat("long ", 100_000)} {
		b := sealed(t, c, v)
		if !json.Valid(b) || b[0] != '"' {
			t.Errorf("%.60s is not a JSON string", b)
		}
		plain, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if len(plain) > 5 && bytes.Contains(b, plain[1:len(plain)-1]) {
			t.Errorf("%s shows %s", b, plain)
		}
		var got any
		if err := c.Decode(b, &got); err != nil {
			t.Fatal(err)
		}
		back, err := json.Marshal(got)
		if err != nil || !bytes.Equal(back, plain) {
			t.Errorf("%.60s, %v, want %.60s", back, err, plain)
		}
	}
}

func TestTheFormatStaysAsItIs(t *testing.T) {
	c := codec(t, seal.Options{Keys: []seal.Key{one}, Context: "orders"})
	const golden = `"nsl1.one.0sKwwwGQrubFPZXSxFQCiXJFuOZVTgWjeOf8WtOAw_drfxi-CMEjvd3aHdajgGc"`
	if b := sealed(t, c, "hello"); string(b) != golden {
		t.Errorf("%s, want %s", b, golden)
	}
}

func TestAPayloadOfANewerFormatIsRefusedByName(t *testing.T) {
	for _, plain := range []bool{false, true} { // nor is it taken for plain text
		c := codec(t, seal.Options{Keys: []seal.Key{one}, ReadPlain: plain})
		for _, b := range []string{`"nsl2.one.AAAA"`, `"nsl10.whatever"`} {
			var v string
			if err := c.Decode([]byte(b), &v); !errors.Is(err, seal.ErrNewerFormat) || !strings.Contains(err.Error(), "nsl1") || v != "" {
				t.Errorf("%s: %q, %v", b, v, err)
			}
		}
	}
	c := codec(t, seal.Options{Keys: []seal.Key{one}, ReadPlain: true})
	for _, b := range []string{`"nsl"`, `"nsl."`, `"nslx.y"`, `"nsl-2.y"`, `"nsl2"`} {
		var v string
		if err := c.Decode([]byte(b), &v); err != nil || v != strings.Trim(b, `"`) {
			t.Errorf("%s: %q, %v", b, v, err)
		}
	}
}

func TestTheSameTextGivesTheSamePayload(t *testing.T) {
	a, b := codec(t, seal.Options{Keys: []seal.Key{one}}), codec(t, seal.Options{Keys: []seal.Key{one, two}})
	if x, y := sealed(t, a, "x"), sealed(t, b, "x"); !bytes.Equal(x, y) {
		t.Errorf("%s and %s", x, y)
	}
	if x, y := sealed(t, a, "x"), sealed(t, a, "y"); bytes.Equal(x[:20], y[:20]) {
		t.Errorf("different texts give %s and %s", x, y)
	}
}

func TestAKeyIsReplacedWithoutLosingWhatItSealed(t *testing.T) {
	before := codec(t, seal.Options{Keys: []seal.Key{one}})
	ready := codec(t, seal.Options{Keys: []seal.Key{one, two}}) // knows the new key, does not use it
	during := codec(t, seal.Options{Keys: []seal.Key{two, one}})
	after := codec(t, seal.Options{Keys: []seal.Key{two}})
	old, fresh := sealed(t, before, "old"), sealed(t, during, "fresh")
	if !bytes.Contains(fresh, []byte(".two.")) || !bytes.Contains(sealed(t, ready, "x"), []byte(".one.")) {
		t.Error("it is not the first key that encrypts")
	}
	for _, c := range []struct {
		name    string
		codec   *seal.Codec
		payload []byte
		want    error
	}{
		{"old by before", before, old, nil}, {"old by ready", ready, old, nil}, {"old by during", during, old, nil}, {"old by after", after, old, seal.ErrUnknownKey},
		{"fresh by before", before, fresh, seal.ErrUnknownKey}, {"fresh by ready", ready, fresh, nil}, {"fresh by during", during, fresh, nil}, {"fresh by after", after, fresh, nil},
	} {
		var v string
		if err := c.codec.Decode(c.payload, &v); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	var v string
	if err := after.Decode(old, &v); err == nil || !strings.Contains(err.Error(), `"one", known are two`) {
		t.Errorf("the error does not say which key is missing: %v", err)
	}
}

func TestNoPayloadThatWasChangedOrCutOpens(t *testing.T) {
	c := codec(t, seal.Options{Keys: []seal.Key{one, two}, Context: "orders"})
	b := sealed(t, c, "some text")
	var v string
	for i := range b {
		for _, by := range []byte{1, 2, 4, 8, 16, 32, 64, 128} {
			bad := bytes.Clone(b)
			if bad[i] ^= by; c.Decode(bad, &v) == nil {
				t.Fatalf("byte %d changed: %s opens", i, bad)
			}
		}
		if err := c.Decode(b[:i], &v); err == nil {
			t.Fatalf("the first %d bytes open", i)
		}
		if err := c.Decode(append(bytes.Clone(b[:i]), append([]byte{'\n'}, b[i:]...)...), &v); err == nil {
			t.Fatalf("a line feed at %d opens", i)
		}
	}
	for _, bad := range []string{string(b) + "x", string(b) + `"`, `"nsl1.one."`, `"nsl1.one.AAAA"`, strings.Replace(string(b), ".one.", ".two.", 1)} {
		if err := c.Decode([]byte(bad), &v); !errors.Is(err, seal.ErrDamaged) || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if v != "" {
		t.Errorf("it gave %q", v)
	}
}

func TestAPayloadOfAnotherContextOrKeyDoesNotOpen(t *testing.T) {
	b := sealed(t, codec(t, seal.Options{Keys: []seal.Key{one}, Context: "orders"}), "x")
	other := fixed("one", 7)
	for name, o := range map[string]seal.Options{
		"context": {Keys: []seal.Key{one}, Context: "payroll"}, "no context": {Keys: []seal.Key{one}}, "secret": {Keys: []seal.Key{other}, Context: "orders"},
	} {
		var v string
		if err := codec(t, o).Decode(b, &v); !errors.Is(err, seal.ErrDamaged) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestPlainPayloadsAreReadOnlyWhereThatIsWanted(t *testing.T) {
	var v string
	if err := codec(t, seal.Options{Keys: []seal.Key{one}}).Decode([]byte(`"plain"`), &v); !errors.Is(err, seal.ErrPlain) || v != "" {
		t.Errorf("%q, %v", v, err)
	}
	c := codec(t, seal.Options{Keys: []seal.Key{one}, ReadPlain: true})
	if err := c.Decode([]byte(`"plain"`), &v); err != nil || v != "plain" {
		t.Errorf("%q, %v", v, err)
	}
	b := sealed(t, c, "x")
	b[len(b)-5] ^= 1
	if err := c.Decode(b, &v); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("a damaged one is read as plain: %v", err)
	}
}

func TestKeysThatCannotBeMeantAreRefusedAndNeverShown(t *testing.T) {
	good := one.Text()
	secret := good[len("one:"):]
	for _, text := range []string{"", "# one", "one", secret, "one:" + secret[:20], "one:" + secret + "x", "o_ne:" + secret, ":" + secret, strings.Repeat("i", 33) + ":" + secret} {
		if keys, err := seal.ParseKeys(text); err == nil || strings.Contains(err.Error(), secret[:12]) {
			t.Errorf("%q: %v, %v", text, keys, err)
		}
	}
	if _, err := seal.New(seal.Options{Keys: []seal.Key{one, fixed("one", 9)}}); err == nil {
		t.Error("two keys of one ID are accepted")
	}
	if _, err := seal.New(seal.Options{}); err == nil {
		t.Error("no key is accepted")
	}
	for _, shown := range []string{fmt.Sprint(one), fmt.Sprintf("%v %+v %#v", one, one, one), fmt.Sprintf("%v", []seal.Key{one})} {
		if strings.Contains(shown, secret[:12]) || strings.Contains(shown, "1 2 3") || strings.Contains(shown, "0x1, 0x2") {
			t.Errorf("a printed key shows its secret: %s", shown)
		}
	}
}

func TestWrittenKeysAreReadAgain(t *testing.T) {
	k, err := seal.NewKey("2030-01")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := seal.ParseKeys("# the keys\n" + one.Text() + ", " + two.Text() + " # old\r\n\n" + k.Text())
	if err != nil || len(keys) != 3 || keys[0].ID != "one" || !bytes.Equal(keys[2].Secret, k.Secret) {
		t.Errorf("%v, %v", keys, err)
	}
}

func FuzzDecode(f *testing.F) {
	c := codec(f, seal.Options{Keys: []seal.Key{one, two}, Context: "orders"})
	f.Add(sealed(f, c, "text"))
	f.Add([]byte(`"nsl1.one."`))
	f.Add([]byte(`"nsl1.`))
	f.Add([]byte(`"plain"`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		fuzztest.Bounded(t, len(payload), fuzztest.Plain, func() {
			var raw json.RawMessage
			if c.Decode(payload, &raw) != nil {
				return
			}
			if !bytes.Equal(sealed(t, c, raw), payload) {
				t.Fatalf("%s opens, and is not what is made of it", payload)
			}
		})
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add(one.Text() + "\n" + two.Text())
	f.Add("one:AAAA # x\n,")
	f.Fuzz(func(t *testing.T, text string) {
		fuzztest.Bounded(t, len(text), 16*fuzztest.Plain, func() {
			keys, err := seal.ParseKeys(text)
			if (err == nil) != (len(keys) > 0) {
				t.Fatalf("%v, %v", keys, err)
			}
			for _, k := range keys {
				again, err := seal.ParseKeys(k.Text())
				if err != nil || again[0].ID != k.ID || !bytes.Equal(again[0].Secret, k.Secret) {
					t.Fatalf("%v becomes %v, %v", k, again, err)
				}
			}
		})
	})
}

var _ durable.Codec = (*seal.Codec)(nil)
