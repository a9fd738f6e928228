package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/substrate/dirlock"
)

// checkDir finds out, without writing anything, whether the directory may be
// used: it is new or empty, or holds a hub that nobody has open.
func (f *benchFlags) checkDir() error {
	if f.Dir == "" {
		return nil // each run makes a temporary one
	}
	entries, err := os.ReadDir(f.Dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return usagef("read the data directory: %w; name one that can be written to", err)
	}
	lock, err := dirlock.Share(f.Dir)
	if err != nil {
		return err
	}
	if err := lock.Close(); err != nil {
		return err
	}
	if len(entries) > 0 && !f.Reuse {
		return usagef("the directory %s is not empty: name a new one, or say --reuse to run on the hub in it", f.Dir)
	}
	there, err := netherite.Exists(f.Dir)
	if err == nil && !there && len(entries) > 0 {
		err = usagef("the directory %s holds no hub, but other files: name a new one, or one with a hub", f.Dir)
	}
	return err
}

// makeDirs makes what is not there, and gives each of several runs a directory
// of its own below --dir.
func (f *benchFlags) makeDirs(configs []bench.Config) error {
	if f.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return usagef("make the data directory: %w; name one that can be written to", err)
	}
	if err := writable(f.Dir); err != nil {
		return usagef("write to the data directory: %w; name another one", err)
	}
	if len(configs) == 1 {
		return nil
	}
	for i := range configs {
		configs[i].Dir = filepath.Join(f.Dir, fmt.Sprintf("run-%d", i+1))
		if err := os.Mkdir(configs[i].Dir, 0o700); err != nil {
			return usagef("make the data directory: %w", err)
		}
	}
	return nil
}

// writable tries to make a file in a directory.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
