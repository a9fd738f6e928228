package keyfile_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/server/keyfile"
)

// withExpiry is a file with one key that has an end.
func withExpiry(text string) []byte {
	return []byte("keys:\n  - name: ci\n    roles: {orders: client}\n    hashes: [" + strings.Repeat("ab", 32) + "]\n    expires: " + text + "\n")
}

func TestAKeyExpiresAtATimeOrAtTheBeginningOfADate(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2027-01-31":                     time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
		`"2027-01-31"`:                   time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
		"2027-01-31T18:00:00Z":           time.Date(2027, 1, 31, 18, 0, 0, 0, time.UTC),
		"2027-01-31T18:00:00.5+01:00":    time.Date(2027, 1, 31, 17, 0, 0, 5e8, time.UTC),
		"9999-12-31T23:59:59.999999999Z": time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC),
	} {
		list, err := keyfile.Parse(withExpiry(text))
		if err != nil || !list[0].Expires.Equal(want) {
			t.Errorf("%s: %v, %v", text, list, err)
			continue
		}
		path := filepath.Join(t.TempDir(), "keys.yaml")
		if err := keyfile.Change(path, func([]gate.Key) ([]gate.Key, error) { return list, nil }); err != nil {
			t.Fatal(err)
		}
		if again, err := keyfile.Read(path); err != nil || !again[0].Expires.Equal(want) {
			t.Errorf("%s, written and read: %v, %v", text, again, err)
		}
	}
}

func TestAnEndThatCannotBeMeantIsRefusedWithTheNameOfItsKey(t *testing.T) {
	for _, text := range []string{"soon", "2027-02-30", "31.01.2027", "2027-01-31T18:00:00", "2027-01-31 18:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "1700000000"} {
		if _, err := keyfile.Parse(withExpiry(text)); err == nil || !strings.Contains(err.Error(), `"ci"`) || !strings.Contains(err.Error(), "2027-01-31") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAKeyWithoutAnEndHasNoneInTheFile(t *testing.T) {
	k, _ := newKey(t, "ci")
	b, err := keyfile.Format([]gate.Key{k})
	if err != nil || strings.Contains(string(b), "expires") {
		t.Errorf("%s, %v", b, err)
	}
}
