package gate

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"
)

func newKeyOf(t *testing.T, name string) (key, hash string) {
	t.Helper()
	key, hash, err := NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	return key, hash
}

func keysOf(t *testing.T, list ...Key) *Keys {
	t.Helper()
	k, err := NewKeys(list)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var asReader = map[string]Role{Everywhere: Reader}

func TestTwoKeysOfANameAreGoodWhileOneReplacesTheOther(t *testing.T) {
	old, oldHash := newKeyOf(t, "etl")
	fresh, freshHash := newKeyOf(t, "etl")
	both := keysOf(t, Key{Name: "etl", Hashes: []string{oldHash, freshHash}, Roles: asReader})
	for _, key := range []string{old, fresh} {
		if p, err := both.Authenticate(&Credentials{Token: key}); err != nil || p.Name != "key:etl" {
			t.Fatalf("%v, %v", p, err)
		}
	}
	after := keysOf(t, Key{Name: "etl", Hashes: []string{freshHash}, Roles: asReader})
	if _, err := after.Authenticate(&Credentials{Token: old}); err == nil {
		t.Error("a key that was replaced is still good")
	}
	if _, err := after.Authenticate(&Credentials{Token: fresh}); err != nil {
		t.Error(err)
	}
}

func TestAKeyIsGoodForItsOwnNameOnly(t *testing.T) {
	a, aHash := newKeyOf(t, "a")
	_, bHash := newKeyOf(t, "b")
	k := keysOf(t, Key{Name: "a", Hashes: []string{aHash}, Roles: asReader}, Key{Name: "b", Hashes: []string{bHash}, Roles: asReader})
	secret := strings.TrimPrefix(a, "nk_a_")
	for _, token := range []string{"nk_b_" + secret, "nk_c_" + secret, "nk_a_", "nk_a_" + secret + "x", "nk__" + secret, "nk_a_" + aHash, "nk_c_" + hex.EncodeToString(make([]byte, 32))} {
		if p, err := k.Authenticate(&Credentials{Token: token}); err == nil || errors.Is(err, errNotMine) {
			t.Errorf("%s: %v, %v", token, p, err)
		}
	}
	for _, token := range []string{"", "nk_", "nk_a", "NK_a_" + secret, "a.b.c", secret} {
		if _, err := k.Authenticate(&Credentials{Token: token}); !errors.Is(err, errNotMine) {
			t.Errorf("%s: %v", token, err)
		}
	}
}

func TestWhatIsKeptOfAKeyDoesNotOpenAnything(t *testing.T) {
	key, hash := newKeyOf(t, "a")
	if strings.Contains(key, hash) || len(hash) != 64 || len(key) < len("nk_a_")+43 {
		t.Errorf("key %s, hash %s", key, hash)
	}
	other, otherHash := newKeyOf(t, "a")
	if key == other || hash == otherHash {
		t.Error("two keys are the same")
	}
}

func TestAKeyIsNoLongerGoodOnceItHasExpired(t *testing.T) {
	key, hash := newKeyOf(t, "a")
	end := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	k := keysOf(t, Key{Name: "a", Hashes: []string{hash}, Roles: asReader, Expires: end})
	if _, err := k.Authenticate(&Credentials{Token: key, Now: end.Add(-1)}); err != nil {
		t.Error(err)
	}
	if _, err := k.Authenticate(&Credentials{Token: key, Now: end}); err == nil || !strings.Contains(err.Error(), `"a" has expired at 2030-01-01T00:00:00Z`) {
		t.Error(err)
	}
}

func TestEntriesOfKeysThatCannotBeMeantAreRefused(t *testing.T) {
	_, h := newKeyOf(t, "a")
	for want, list := range map[string][]Key{
		"must be 1 to 64 letters": {{Name: "a b", Hashes: []string{h}, Roles: asReader}},
		"two entries":             {{Name: "a", Hashes: []string{h}, Roles: asReader}, {Name: "a", Hashes: []string{h}, Roles: asReader}},
		"has 0 hashes":            {{Name: "a", Roles: asReader}},
		"has 3 hashes":            {{Name: "a", Hashes: []string{h, h, h}, Roles: asReader}},
		"no SHA-256":              {{Name: "a", Hashes: []string{"nk_a_thekeyitself"}, Roles: asReader}},
		"no role":                 {{Name: "a", Hashes: []string{h}}},
	} {
		_, err := NewKeys(list)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "thekeyitself") {
			t.Errorf("the error repeats a key: %v", err)
		}
	}
	if _, _, err := NewKey("a_b"); err == nil {
		t.Error("a name that cannot be found again in its key is accepted")
	}
}
