package seal

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// SecretBytes is the length of a secret.
const SecretBytes = 32

// maxKeyID is the longest key ID.
const maxKeyID = 32

// Key is a secret with a name, which is in each payload.
type Key struct {
	ID     string // 1 to 32 letters, digits and dashes
	Secret []byte // SecretBytes, from a good source of random numbers
}

// NewKey makes a key.
func NewKey(id string) (Key, error) {
	k := Key{ID: id, Secret: make([]byte, SecretBytes)}
	_, _ = rand.Read(k.Secret) // never fails
	return k, k.check()
}

func (k Key) check() error {
	if len(k.ID) < 1 || len(k.ID) > maxKeyID || strings.ContainsFunc(k.ID, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-')
	}) {
		return fmt.Errorf("%.40q is no ID of a key: it has 1 to %d letters, digits and dashes", k.ID, maxKeyID)
	}
	if len(k.Secret) != SecretBytes {
		return fmt.Errorf("the secret of key %s has %d bytes, it must have %d", k.ID, len(k.Secret), SecretBytes)
	}
	return nil
}

// Text is the key as ParseKeys reads it. It is as secret as the key.
func (k Key) Text() string { return k.ID + ":" + base64.StdEncoding.EncodeToString(k.Secret) }

// String is the key's ID: a key that gets into a log by mistake stays secret.
func (k Key) String() string { return "key " + k.ID }

// GoString is the key's ID as well.
func (k Key) GoString() string { return k.String() }

// ParseKeys reads keys, separated by blanks, commas or line feeds: each is its ID, a
// colon, and its secret in base64. What follows a # in a line is a comment.
func ParseKeys(text string) (keys []Key, err error) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for field := range strings.FieldsFuncSeq(line, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n' }) {
			k, err := parseKey(field)
			if err != nil {
				return nil, fmt.Errorf("key number %d: %w", len(keys)+1, err)
			}
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("there are no keys: each is ID:SECRET, the secret in base64")
	}
	return keys, nil
}

// parseKey reads a key. Its errors do not repeat what may be a secret.
func parseKey(field string) (Key, error) {
	id, secret, ok := strings.Cut(field, ":")
	if !ok {
		return Key{}, errors.New("it has no colon between its ID and its secret")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(secret)
	if err != nil {
		return Key{}, errors.New("its secret is not base64")
	}
	k := Key{ID: id, Secret: b}
	return k, k.check()
}
