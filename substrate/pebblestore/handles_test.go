package pebblestore_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/internal/leaktest"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// Pebble tries again and again to read what it wants to know of a table, which may be
// gone: another store has the directory by then. Nothing slows that down any more.
func TestGoroutinesOfADeadStoreThatIsClosedOpenNoFile(t *testing.T) {
	leaktest.StoresDie(t)
	fs, _ := closedStore(t)
	for _, table := range historyTables(t, fs) {
		if err := fs.Alter(table, func(d []byte) []byte { d[len(d)-20] ^= 4; return d }); err != nil {
			t.Fatal(err)
		}
	}
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range historyTables(t, fs) {
		if err := fs.Remove(table); err != nil {
			t.Fatal(err)
		}
	}
	s.Abandon()
	for deadline := time.Now().Add(10 * time.Second); !staysInOpen(); {
		if time.Now().After(deadline) {
			t.Fatalf("it goes on: %d files were opened", fs.Count(faultfs.OpOpen))
		}
		runtime.Gosched()
	}
}

func historyTables(t *testing.T, fs *faultfs.FS) []string {
	t.Helper()
	return slices.DeleteFunc(tablesOf(t, fs), func(table string) bool { return !strings.HasPrefix(table, dir+"/history/") })
}

// staysInOpen reports whether a goroutine stays where it would have opened a file.
func staysInOpen() bool {
	stacks := make([]byte, 1<<20)
	for g := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(g, "pebblestore.stay(") && strings.Contains(g, "pebblestore.(*fence).Open(") {
			return true
		}
	}
	return false
}
