package server

import (
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/server/keyfile"
)

// liveKeys accepts the API keys of a file, which can be read again.
type liveKeys struct {
	path string
	more []gate.Key // besides those of the file
	now  atomic.Pointer[readKeys]
}

// readKeys are the keys of a file as it was read last.
type readKeys struct {
	*gate.Keys
	list []gate.Key // those of the file
}

func newLiveKeys(path string, more []gate.Key) (*liveKeys, error) {
	k := &liveKeys{path: path, more: more}
	_, err := k.reload()
	return k, err
}

// reload reads the file again. If it cannot, the keys of before stay.
func (k *liveKeys) reload() (reading, error) {
	list, err := keyfile.Read(k.path)
	if err != nil {
		return reading{}, err
	}
	keys, err := gate.NewKeys(slices.Concat(k.more, list))
	if err != nil {
		return reading{}, err
	}
	before := k.now.Swap(&readKeys{keys, list})
	changed := before == nil || !reflect.DeepEqual(before.list, list)
	has := []any{"keys", len(list)}
	if first := firstEnd(list); !first.IsZero() {
		has = append(has, "expires", keyfile.FormatExpiry(first))
	}
	return reading{changed, has}, nil
}

// Authenticate implements gate.Authenticator.
func (k *liveKeys) Authenticate(c *gate.Credentials) (*gate.Principal, error) {
	return k.now.Load().Authenticate(c)
}
