package gate

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// An API key is "nk_NAME_SECRET": the name finds the entry, the secret of 32
// random bytes proves it. Only the SHA-256 of the secret is kept, which is enough
// for what is random and long: nobody can guess one from its hash.
const keyPrefix = "nk_"

// hashesAtOnce is how many secrets of a name are valid at a time: two, so that a
// key can be replaced without a moment in which neither is.
const hashesAtOnce = 2

// Key is an entry of the keys that are accepted.
type Key struct {
	Name   string
	Hashes []string // SHA-256 of each secret, in hex; one or two
	Roles  map[string]Role
	// Expires is when the key is no longer accepted; zero is never.
	Expires time.Time
}

// Keys accepts API keys.
type Keys struct{ entries map[string]*keyEntry }

// keyEntry is a name's. Both hashes are compared always: the time that it takes
// says nothing about which there are.
type keyEntry struct {
	principal *Principal
	hashes    [hashesAtOnce][sha256.Size]byte
	expires   time.Time
}

// NewKeys checks the entries.
func NewKeys(list []Key) (*Keys, error) {
	k := &Keys{entries: map[string]*keyEntry{}}
	for _, e := range list {
		if err := k.add(e); err != nil {
			return nil, fmt.Errorf("API key %q: %w", e.Name, err)
		}
	}
	return k, nil
}

func (k *Keys) add(e Key) error {
	switch n := len(e.Hashes); {
	case !plain(e.Name):
		return errors.New("its name must be 1 to 64 letters, digits, dots and dashes")
	case k.entries[e.Name] != nil:
		return errors.New("there are two entries of that name")
	case n < 1 || n > hashesAtOnce:
		return fmt.Errorf("it has %d hashes, there must be one, or two while it is being replaced", n)
	case len(e.Roles) == 0:
		return errors.New("it has no role for any task hub")
	}
	entry := &keyEntry{principal: &Principal{Name: "key:" + e.Name, Roles: e.Roles}, expires: e.Expires}
	for i := range entry.hashes {
		h := e.Hashes[min(i, len(e.Hashes)-1)]
		b, err := hex.DecodeString(h)
		if err != nil || len(b) != sha256.Size {
			return errors.New("a hash of it is no SHA-256 in hex: 64 digits")
		}
		entry.hashes[i] = [sha256.Size]byte(b)
	}
	k.entries[e.Name] = entry
	return nil
}

func plain(name string) bool {
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-') {
			return false
		}
	}
	return len(name) >= 1 && len(name) <= 64
}

// NewKey makes a key of a name. The key is for its holder, who alone has it; the
// hash is for the entry.
func NewKey(name string) (key, hash string, err error) {
	if !plain(name) {
		return "", "", fmt.Errorf("the name of a key must be 1 to 64 letters, digits, dots and dashes, %q is not", name)
	}
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	text := base64.RawURLEncoding.EncodeToString(secret[:])
	sum := sha256.Sum256([]byte(text))
	return keyPrefix + name + "_" + text, hex.EncodeToString(sum[:]), nil
}

// nobody stands for names that there are not: they take as long as others.
var nobody = &keyEntry{}

// Authenticate implements Authenticator.
func (k *Keys) Authenticate(c *Credentials) (*Principal, error) {
	name, secret, ok := strings.Cut(strings.TrimPrefix(c.Token, keyPrefix), "_")
	if !ok || !strings.HasPrefix(c.Token, keyPrefix) {
		return nil, errNotMine
	}
	e := k.entries[name]
	if e == nil {
		e = nobody
	}
	sum := sha256.Sum256([]byte(secret))
	found := 0
	for i := range e.hashes {
		found |= subtle.ConstantTimeCompare(sum[:], e.hashes[i][:])
	}
	switch {
	case found == 0 || e == nobody:
		return nil, errors.New("the API key is not known")
	case !e.expires.IsZero() && !c.Now.Before(e.expires):
		return nil, fmt.Errorf("the API key %q has expired at %s", name, e.expires.UTC().Format(time.RFC3339))
	}
	return e.principal, nil
}
