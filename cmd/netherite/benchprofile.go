package main

import (
	"errors"
	"os"
	"path/filepath"
)

// checkProfileFile finds out whether the profile can be written: its file, or one
// in the current directory if none is named. It leaves none behind.
func (f *benchFlags) checkProfileFile() error {
	name := f.ProfileFile
	if f.Profile == "" {
		return nil
	}
	if name == "" {
		if err := writable("."); err != nil {
			return usagef("the profile goes to the current directory: %w; name another file with --profile-file", withoutPath(err))
		}
		return nil
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return usagef("--profile-file %s: it is no file; name one that can be written, such as hello5.pprof", name)
	case err == nil:
		var file *os.File
		if file, err = os.OpenFile(name, os.O_WRONLY, 0); err == nil {
			err = file.Close()
		}
	default:
		err = writable(filepath.Dir(name))
	}
	if err != nil {
		return usagef("--profile-file %s: %w; name a file in a folder that can be written to", name, withoutPath(err))
	}
	return nil
}

// withoutPath leaves out a name in an error that is not one that the user chose.
func withoutPath(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return path.Err
	}
	return err
}
