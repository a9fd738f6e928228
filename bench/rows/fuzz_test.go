package rows

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/netherite-go/netherite/internal/fuzztest"
)

// FuzzRead holds that any file is refused as no result, or that each of its rows
// is the same when it is printed and read again. JSON has many forms of one value
// and people edit these files, so only what is printed is canonical.
func FuzzRead(f *testing.F) {
	row := `{"workload":"hello5","unit":"orchestration","clients":1,"partitions":8,"release":"node","per_second":1e3,"p50_ms":0.5,"timeline":[1,2]}`
	f.Add([]byte(row))
	f.Add([]byte(row + "\n" + row))
	f.Add([]byte(row[:40]))
	f.Add([]byte(`{"workload":7}`))
	f.Add([]byte(`null`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(dir, "rows.json")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		fuzztest.Bounded(t, len(data), 100, func() {
			list, err := Read(name)
			if err != nil {
				if !errors.Is(err, ErrNoRows) {
					t.Fatalf("error %v", err)
				}
				return
			}
			for _, row := range list {
				printed, err := json.Marshal(row.Result)
				if err != nil {
					t.Fatalf("%+v is not printed: %v", row.Result, err)
				}
				again, err := parse(printed, "")
				if err != nil || !reflect.DeepEqual(again.Result, row.Result) {
					t.Fatalf("%s is read as %+v, %v", printed, again.Result, err)
				}
			}
			Compare(list, list)
		})
	})
}
