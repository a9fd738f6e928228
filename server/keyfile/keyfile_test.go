package keyfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/server/keyfile"
)

func newKey(t *testing.T, name string) (key gate.Key, secret string) {
	t.Helper()
	secret, hash, err := gate.NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	return gate.Key{Name: name, Hashes: []string{hash}, Roles: map[string]gate.Role{"orders": gate.Client, gate.Everywhere: gate.Reader}}, secret
}

func TestAFileOfKeysHoldsNoSecretAndIsTheOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	k, secret := newKey(t, "ci")
	add := func(list []gate.Key) ([]gate.Key, error) { return append(list, k), nil }
	if err := keyfile.Change(path, add); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if tail := secret[len(secret)-20:]; strings.Contains(string(b), tail) {
		t.Errorf("the file has the secret: %s", b)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	got, err := keyfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]gate.Key{k}, got); d != "" {
		t.Error(d)
	}
}

func TestAChangeThatFailsLeavesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	k, _ := newKey(t, "ci")
	if err := keyfile.Change(path, func(list []gate.Key) ([]gate.Key, error) { return append(list, k), nil }); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	wrong := errors.New("no")
	if err := keyfile.Change(path, func([]gate.Key) ([]gate.Key, error) { return nil, wrong }); !errors.Is(err, wrong) {
		t.Errorf("error %v", err)
	}
	if err := keyfile.Change(path, func(list []gate.Key) ([]gate.Key, error) { return append(list, k), nil }); err == nil {
		t.Error("two entries of a name are accepted")
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Errorf("the file has changed: %s", after)
	}
}

func TestWhatIsWrongWithAFileOfKeysIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"keys:\n  - nam: ci\n": `line 2: there is no "nam" here, there is name, roles and hashes`,
		"key: []\n":            `line 1: there is no "key" here, there is keys`,
		"nk_secret":            "line 1: the file has one key, keys, with a list below it",
		"- a\n":                "line 1: the file has one key",
		"keys: {a: b}":         "line 1: below keys is a list of API keys, each with name, roles and hashes",
		"keys: [secret]":       "line 1: an API key has name, roles and hashes",
		"keys: [{name: [a], roles: [b], hashes: secret}]":               "line 1: a text is wanted; line 1: roles are by task hub, such as {orders: client}; line 1: hashes are a list",
		"keys: [secret, b, c, d, e, f, g]":                              "and 2 more",
		"keys:\n  - {name: ci, roles: {\"*\": king}, hashes: []}\n":     `there is no role "king"`,
		"keys:\n  - {name: ci, roles: {\"*\": admin}, hashes: [abc]}\n": `"ci"`,
		"keys:\n  - {name: ci, roles: {\"*\": admin}, hashes: []}\n":    "0 hashes",
		"keys: {}\n": "line 1",
	} {
		if _, err := keyfile.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "keyfile.") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// perByte: a byte of YAML, such as a bracket, becomes a node of the document, some
// hundred bytes in each of the steps from text to keys.
const perByte = 4_000

// FuzzParse: what is accepted says the same when it is written again. Read does
// no more than to read the file's bytes.
func FuzzParse(f *testing.F) {
	f.Add([]byte("keys:\n  - name: ci\n    roles: {orders: client, \"*\": reader}\n    hashes: [" + strings.Repeat("ab", 32) + "]\n"))
	f.Add([]byte("keys:\n  - {name: ci, roles: {orders: client}, hashes: [" + strings.Repeat("ab", 32) + "], expires: 2027-01-31}\n"))
	f.Add([]byte("keys: []\n"))
	f.Add([]byte("keys: &a [*a]\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzztest.Bounded(t, len(b), perByte, func() {
			keys, err := keyfile.Parse(b)
			if err != nil {
				return
			}
			again, err := keyfile.Format(keys)
			if err != nil {
				t.Fatal(err)
			}
			got, err := keyfile.Parse(again)
			if err != nil {
				t.Fatalf("%v\n%s", err, again)
			}
			if d := cmp.Diff(keys, got); d != "" {
				t.Error(d)
			}
		})
	})
}
