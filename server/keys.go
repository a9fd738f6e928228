package server

import (
	"slices"
	"sync/atomic"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/server/keyfile"
)

// liveKeys accepts the API keys of a file, which can be read again.
type liveKeys struct {
	path string
	more []gate.Key // besides those of the file
	now  atomic.Pointer[gate.Keys]
}

func newLiveKeys(path string, more []gate.Key) (*liveKeys, error) {
	k := &liveKeys{path: path, more: more}
	return k, k.reload()
}

// reload reads the file again. If it cannot, the keys of before stay.
func (k *liveKeys) reload() error {
	list, err := keyfile.Read(k.path)
	if err != nil {
		return err
	}
	keys, err := gate.NewKeys(slices.Concat(k.more, list))
	if err != nil {
		return err
	}
	k.now.Store(keys)
	return nil
}

// Authenticate implements gate.Authenticator.
func (k *liveKeys) Authenticate(c *gate.Credentials) (*gate.Principal, error) {
	return k.now.Load().Authenticate(c)
}
