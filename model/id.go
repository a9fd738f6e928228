package model

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
)

// MaxInstanceID is the longest instance ID in bytes.
const MaxInstanceID = 256

// MaxName is the longest task, event or operation name in bytes.
const MaxName = 200

// MaxTagBytes bounds the names and values of an instance's tags, with those it
// inherits.
const MaxTagBytes = 8 << 10

// MaxLockSet is how many entities one critical section can lock.
const MaxLockSet = 1_000

// ErrInvalidID is wrapped by every error about a malformed instance ID.
var ErrInvalidID = errors.New("invalid instance ID")

// ExecutionID names one execution of an instance. It is derived, never random,
// so that re-executing a lost step yields the same ID. Zero means none.
type ExecutionID [16]byte

// String returns 32 lower-case hex digits, the form that Durable Task SDKs
// expect, or "" for the zero ID.
func (e ExecutionID) String() string {
	if e.IsZero() {
		return ""
	}
	return hex.EncodeToString(e[:])
}

// IsZero reports whether e names no execution.
func (e ExecutionID) IsZero() bool { return e == ExecutionID{} }

// ParseExecutionID is the inverse of String.
func ParseExecutionID(s string) (e ExecutionID, err error) {
	if s == "" {
		return e, nil
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(e) {
		return e, fmt.Errorf("invalid execution ID %q: want 32 hex digits", s)
	}
	copy(e[:], b)
	return e, nil
}

// RequestExecution derives the first execution of an instance that a client
// request started.
func RequestExecution(session [16]byte, seq uint64, instance string) ExecutionID {
	var b [24 + MaxInstanceID]byte
	n := copy(b[:], session[:])
	binary.LittleEndian.PutUint64(b[n:], seq)
	return derive('r', append(b[:24], instance...))
}

// ChildExecution derives the execution of an instance that another started by
// its action id.
func ChildExecution(parent ExecutionID, id int32, instance string) ExecutionID {
	var b [20 + MaxInstanceID]byte
	n := copy(b[:], parent[:])
	binary.LittleEndian.PutUint32(b[n:], uint32(id))
	return derive('c', append(b[:20], instance...))
}

// NextExecution derives the execution that follows e in the same instance.
func NextExecution(e ExecutionID) ExecutionID { return derive('n', e[:]) }

func derive(tag byte, data []byte) (e ExecutionID) {
	var b [1 + 24 + MaxInstanceID]byte
	b[0] = tag
	sum := sha256.Sum256(append(b[:1], data...))
	copy(e[:], sum[:])
	return e
}

// EntityID names an entity: a type and a key. As an instance ID it is written
// "@type@key".
type EntityID struct {
	Name string // the entity type, compared without case
	Key  string
}

// String returns the entity's instance ID, "@name@key" with the name in lower case.
func (e EntityID) String() string { return "@" + strings.ToLower(e.Name) + "@" + e.Key }

// IsEntity reports whether an instance ID names an entity.
func IsEntity(instance string) bool { return strings.HasPrefix(instance, "@") }

// ParseEntityID splits an entity's instance ID. The key may contain "@".
func ParseEntityID(instance string) (EntityID, error) {
	rest, ok := strings.CutPrefix(instance, "@")
	name, key, ok2 := strings.Cut(rest, "@")
	if !ok || !ok2 || name == "" {
		return EntityID{}, fmt.Errorf("%w %q: an entity's is @type@key", ErrInvalidID, instance)
	}
	return EntityID{Name: name, Key: key}, nil
}

// CanonicalID is the ID of an instance, or the begin of one, as it is kept: with the
// type of an entity in lower case. Who writes it otherwise means the same entity.
func CanonicalID(instance string) string {
	if !IsEntity(instance) {
		return instance
	}
	name, key, keyed := strings.Cut(instance[1:], "@")
	if lower := strings.ToLower(name); lower == name {
		return instance
	} else if keyed {
		return "@" + lower + "@" + key
	} else {
		return "@" + lower
	}
}

// ValidateInstanceID reports what is wrong with an instance ID: it is 1 to 256
// bytes of printable UTF-8 without / \ # ?, and starts with "@" exactly if it
// names an entity.
func ValidateInstanceID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: it is empty", ErrInvalidID)
	case len(id) > MaxInstanceID:
		return fmt.Errorf("%w %.40q...: %d bytes, at most %d", ErrInvalidID, id, len(id), MaxInstanceID)
	case !IsEntity(id) && plainID(id), plainEntity(id):
		return nil // as nearly all are
	case !utf8.ValidString(id):
		return fmt.Errorf("%w %q: not UTF-8", ErrInvalidID, id)
	}
	for _, r := range id {
		if strings.ContainsRune(`/\#?`, r) || !unicode.IsPrint(r) {
			return fmt.Errorf("%w %q: contains %q (printable characters except / \\ # ? are allowed)", ErrInvalidID, id, r)
		}
	}
	if IsEntity(id) {
		_, err := ParseEntityID(id)
		return err
	}
	return nil
}

// plainID reports whether an ID has no characters but letters and digits of
// ASCII, '-', '_', '.' and ':'.
func plainID(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case c >= '0' && c <= ':', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// plainEntity reports whether an ID is "@type@key" of such characters only.
func plainEntity(id string) bool {
	name, key, ok := strings.Cut(id[1:], "@")
	return id[0] == '@' && ok && name != "" && plainID(name) && plainID(key)
}

// ValidateName reports what is wrong with the name of a task, event, operation
// or entity type; what says which, for the message.
func ValidateName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s name is empty", what)
	case len(name) > MaxName:
		return fmt.Errorf("%s name %.40q...: %d bytes, at most %d", what, name, len(name), MaxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%s name %q is not UTF-8", what, name)
	}
	return nil
}

// ValidateVersion reports what is wrong with a version: it has at most MaxName
// bytes of UTF-8.
func ValidateVersion(version string) error {
	switch {
	case len(version) > MaxName:
		return fmt.Errorf("version %.40q...: %d bytes, at most %d", version, len(version), MaxName)
	case !utf8.ValidString(version):
		return fmt.Errorf("version %q is not UTF-8", version)
	}
	return nil
}

// PartitionOf places an instance: xxHash64 (seed 0) of its ID modulo the number
// of partitions. It is part of the on-disk format and never changes.
func PartitionOf(instance string, partitions int) int {
	return int(xxhash.Sum64String(instance) % uint64(partitions))
}
