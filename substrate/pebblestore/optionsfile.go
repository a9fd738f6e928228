package pebblestore

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

// Pebble writes its options to a file whenever it opens a database, and reads the
// last one before: whether the order of keys and the way to merge are the same. It
// does not open a database whose file is damaged, though all that it looks for is in
// the manifest and in each table as well, and the format of the database in a marker.
// So it gets an empty file to read, in which there is nothing to object to, and the
// file itself is for Verify alone. It is replaced as the database is opened.

// optionsPrefix is what the name of each file of options begins with; a number follows.
const optionsPrefix = "OPTIONS-"

// hidesOptions reports whether a file is one that Pebble shall not read. A copy of a
// running database has a true copy of the file.
func (f *fence) hidesOptions(name string) bool {
	return f.watch.on.Load() && strings.HasPrefix(f.PathBase(name), optionsPrefix)
}

// noOptions is a file in which no options are.
func noOptions() vfs.File { return vfs.NewMemFile(nil) }

// maxOptions is more than any file of options has.
const maxOptions = 1 << 20

// verifyOptions adds to a report what is wrong with the files of options. It is
// harmless, but something has harmed the disk.
func (s *Store) verifyOptions(r *Report, made map[string]bool) error {
	for _, d := range []struct {
		name string
		opts *pebble.Options
	}{{mainDir, s.mainOptions()}, {historyDir, s.historyOptions()}} {
		if !made[d.name] {
			continue
		}
		d.opts.EnsureDefaults()
		damage, err := s.checkOptions(d.name, d.opts)
		if err != nil {
			return err
		}
		if damage != nil {
			damage.Detail += "; nothing is lost by that: the next opening writes it anew"
			r.Damage = append(r.Damage, Damage{Range: -1, Damage: damage, Harmless: true})
		}
	}
	return nil
}

// checkOptions looks at the newest file of options of a database. What is made before
// it is made has no tables.
func (s *Store) checkOptions(name string, o *pebble.Options) (*substrate.Damage, error) {
	dir := s.opts.FS.PathJoin(s.opts.Dir, name)
	files, err := s.opts.FS.List(dir)
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	last, tables := "", false
	for _, file := range files {
		if tables = tables || strings.HasSuffix(file, ".sst"); strings.HasPrefix(file, optionsPrefix) && len(file) >= len(last) {
			last = file
		}
	}
	if last == "" {
		if !tables {
			return nil, nil
		}
		return &substrate.Damage{File: name + "/" + optionsPrefix + "*", Kind: "short", Detail: "the file of Pebble's options is missing"}, nil
	}
	text, err := readSome(s.opts.FS, s.opts.FS.PathJoin(dir, last), maxOptions)
	if damage, ok := errors.AsType[*substrate.Damage](err); ok {
		in := *damage
		in.File = name + "/" + last
		return &in, nil
	}
	if err != nil {
		return nil, err
	}
	if kind, detail := unlikeOptions(dir, text, o); detail != "" {
		return &substrate.Damage{File: name + "/" + last, Kind: kind, Detail: detail}, nil
	}
	return nil, nil
}

// lastOptions is the section at the end of a file of options.
const lastOptions = "\n[Level \"6\"]\n"

// unlikeOptions says what is wrong with a file of options; "" if nothing is. It has no
// checksum: numbers that have changed are not told, and mean nothing.
func unlikeOptions(dir, text string, o *pebble.Options) (kind, detail string) {
	switch {
	case text == "":
		return "short", "the file of Pebble's options is empty"
	case !strings.HasPrefix(text, "[Version]\n"):
		return "crc", "the file of Pebble's options does not begin like one"
	}
	if err := o.CheckCompatibility(dir, text); err != nil {
		return "crc", fmt.Sprintf("the file of Pebble's options: %v", err)
	}
	if !strings.Contains(text, lastOptions) || !strings.HasSuffix(text, "\n") {
		return "short", "the file of Pebble's options ends too early"
	}
	return "", ""
}

// readSome reads a file, and no more than some bytes of it.
func readSome(fs vfs.FS, name string, most int64) (text string, err error) {
	f, err := substrate.OpenPlain(fs, name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, most))
	return string(data), err
}
