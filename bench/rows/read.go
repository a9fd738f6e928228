package rows

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/netherite-go/netherite/bench"
)

// maxFileBytes bounds what Read takes: a row has a few kilobytes, and a hundred
// bytes more for each second of its window.
const maxFileBytes = 64 << 20

// ErrNoRows: the file is not what "netherite bench --json" printed.
var ErrNoRows = errors.New("not a result of netherite bench --json")

// Row is the result of one run.
type Row struct {
	bench.Result
	Source string // name of the file, without its folder and ".json"
	fields map[string]json.RawMessage
}

// Has reports whether the row has a figure: those of older versions lack some.
func (r *Row) Has(figure string) bool {
	_, ok := r.fields[figure]
	return ok
}

// Of wraps the result of a run of this process.
func Of(r *bench.Result) (Row, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return Row{}, fmt.Errorf("encode a row: %w", err)
	}
	return parse(data, "")
}

// Read reads the rows of a file, one JSON object after the other. An error that
// is ErrNoRows says what in the file is wrong.
func Read(name string) ([]Row, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read rows: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("%s: %w: it is a directory", name, ErrNoRows)
	case info.Size() > maxFileBytes:
		return nil, fmt.Errorf("%s: %w: it has %d bytes, at most %d are possible", name, ErrNoRows, info.Size(), maxFileBytes)
	}
	source := strings.TrimSuffix(filepath.Base(name), ".json")
	var rows []Row
	for dec := json.NewDecoder(io.LimitReader(f, maxFileBytes)); ; {
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("%s: row %d, %s: %w: %w", name, len(rows)+1, place(err, dec.InputOffset(), info.Size()), ErrNoRows, err)
		}
		row, err := parse(raw, source)
		if err != nil {
			return nil, fmt.Errorf("%s: row %d: %w", name, len(rows)+1, err)
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s: %w: the file is empty", name, ErrNoRows)
	}
	return rows, nil
}

// place says where in a file of some size the decoder gave up, in a row that
// begins at a byte.
func place(err error, begin, size int64) string {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("before byte %d", syntax.Offset)
	}
	return fmt.Sprintf("which begins at byte %d and ends at %d", begin, size)
}

// needed are the fields that every version has printed.
var needed = []string{"workload", "unit", "clients", "partitions", "release", "per_second", "p50_ms"}

func parse(data []byte, source string) (Row, error) {
	r := Row{Source: source}
	if err := json.Unmarshal(data, &r.fields); err != nil {
		return Row{}, fmt.Errorf("%w: %w", ErrNoRows, err)
	}
	for _, name := range needed {
		if !r.Has(name) {
			return Row{}, fmt.Errorf("%w: it has no field %q", ErrNoRows, name)
		}
	}
	if err := json.Unmarshal(data, &r.Result); err != nil {
		return Row{}, fmt.Errorf("%w: %w", ErrNoRows, err)
	}
	if err := plausible(&r.Result); err != nil {
		return Row{}, fmt.Errorf("%w: %w", ErrNoRows, err)
	}
	return r, nil
}
