package dirlock

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/netherite-go/netherite/internal/fuzztest"
)

// FuzzReadHolder holds that any file that says who holds a directory is read, or
// taken as saying nothing: whoever is refused is told something.
func FuzzReadHolder(f *testing.F) {
	f.Add([]byte(`{"pid":7,"program":"netherite","since":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"pid":7.5}`))
	f.Add([]byte(`{"pid":99999999999999999999}`))
	f.Add([]byte(`{"since":"yesterday"}`))
	f.Add([]byte(`[[[[[[[[`))
	f.Add([]byte{})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, holderName), data, 0o600); err != nil {
			t.Fatal(err)
		}
		fuzztest.Bounded(t, len(data), 20, func() {
			h := readHolder(dir)
			if text := (&HeldError{Dir: dir, Holder: h}).Error(); text == "" {
				t.Fatal("no error text")
			}
			if again, err := json.Marshal(h); err != nil {
				t.Fatalf("%s is read as %+v, which is no holder: %v", data, h, err)
			} else if err := os.WriteFile(filepath.Join(dir, holderName), again, 0o600); err != nil {
				t.Fatal(err)
			}
			if r := readHolder(dir); r.PID != h.PID || !r.Since.Equal(h.Since) {
				t.Fatalf("%+v is read as %+v", h, r)
			}
		})
	})
}
