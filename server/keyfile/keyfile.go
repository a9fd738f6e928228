// Package keyfile reads and writes the file of API keys that a server accepts. It
// has hashes only, so that whoever reads it can call nothing:
//
//	keys:
//	  - name: ci                    # who calls, in the audit log
//	    roles: {orders: client}     # by task hub; "*" stands for all
//	    hashes: [9f86d081884c7d65...]   # SHA-256 of the secret; two while it is replaced
//	    expires: 2027-01-31T00:00:00Z   # not accepted from then on; may be a date; absent: never
package keyfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.yaml.in/yaml/v3"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

// maxBytes bounds the file: some 10,000 keys.
const maxBytes = 4 << 20

// ErrNothing says that a file neither has keys nor says that there are none, as one
// that was cut to nothing does: it is no reason to withdraw all keys.
var ErrNothing = errors.New("it says nothing of keys, as a file that was cut off: if none is to be accepted, it has to say \"keys: []\"")

type file struct {
	Keys []entry `yaml:"keys"`
}

type entry struct {
	Name   string            `yaml:"name"`
	Roles  map[string]string `yaml:"roles,flow"`
	Hashes []string          `yaml:"hashes,flow"`
	// Expires is not known to older programs, which refuse the file: none of them
	// accepts a key for longer than was meant.
	Expires string `yaml:"expires,omitempty"`
}

// Read reads the file at a path. What is not as it should be is named with its
// line.
func Read(path string) ([]gate.Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the API keys: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the API keys: %w", err)
	}
	keys, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("read the API keys in %s: %w", path, err)
	}
	return keys, nil
}

// Parse reads the content of such a file. One that says nothing is ErrNothing.
func Parse(b []byte) ([]gate.Key, error) {
	if len(b) > maxBytes {
		return nil, fmt.Errorf("it has more than %d bytes", maxBytes)
	}
	var f file
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, inWords(err)
	}
	if f.Keys == nil {
		return nil, ErrNothing
	}
	var keys []gate.Key
	for _, e := range f.Keys {
		k := gate.Key{Name: e.Name, Hashes: e.Hashes, Roles: map[string]gate.Role{}}
		for hub, name := range e.Roles { // order-free: fills a map; any error will do
			role, err := gate.ParseRole(name)
			if err != nil {
				return nil, fmt.Errorf("API key %q, task hub %q: %w", e.Name, hub, err)
			}
			k.Roles[hub] = role
		}
		if e.Expires != "" {
			var err error
			if k.Expires, err = Expiry(e.Expires); err != nil {
				return nil, fmt.Errorf("API key %q: %w", e.Name, err)
			}
		}
		keys = append(keys, k)
	}
	if _, err := gate.NewKeys(keys); err != nil {
		return nil, err
	}
	return keys, nil
}

// Format is the content of a file of keys, the inverse of Parse.
func Format(keys []gate.Key) ([]byte, error) {
	f := file{Keys: []entry{}}
	for _, k := range keys {
		e := entry{Name: k.Name, Hashes: k.Hashes, Roles: map[string]string{}, Expires: FormatExpiry(k.Expires)}
		for hub, role := range k.Roles { // order-free: fills a map
			e.Roles[hub] = role.String()
		}
		f.Keys = append(f.Keys, e)
	}
	return yaml.Marshal(f)
}

// Change reads the file, which need not exist and may be empty, has change make another list of
// it, and writes that: as a whole or not at all. A file that is there keeps its
// owner, group and mode; if they cannot be kept, as when it belongs to another user,
// it is not changed. A new one is readable by its owner alone. If root makes it, it
// belongs to whom its directory belongs to, and in a directory of root's that a group
// other than root's may read, that group may read it: it has hashes only.
//
// A link is followed: the file that it leads to is changed.
func Change(path string, change func([]gate.Key) ([]gate.Key, error)) error {
	keys, err := Read(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrNothing) {
		return err
	}
	if keys, err = change(slices.Clone(keys)); err != nil {
		return err
	}
	if _, err := gate.NewKeys(keys); err != nil {
		return err
	}
	b, err := Format(keys)
	if err != nil {
		return fmt.Errorf("write the API keys: %w", err)
	}
	if err := replace(path, b); err != nil {
		return fmt.Errorf("write the API keys: %w", err)
	}
	return nil
}

// replace puts content in a file's place, durably.
func replace(path string, content []byte) error {
	if at, err := filepath.EvalSymlinks(path); err == nil {
		path = at
	}
	// Of a name that nobody knows before: root may do this in a directory of another user.
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = give(f, path)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return dirsync.Sync(vfs.Default, filepath.Dir(path))
}
