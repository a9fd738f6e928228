package filelog_test

import (
	"errors"
	"path"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
)

// Openings that fail leave files behind, of which the next one is no part: here one
// whose open frame could not be synced, and one that could not get a file.
func TestLostOpenFrameIsNamedWhereItWasAfterOpeningsThatFailed(t *testing.T) {
	broken, named := errors.New("the disk reports an error"), 0
	for sync := 1; sync < 12; sync++ {
		for _, second := range []faultfs.Kind{faultfs.OpRename, faultfs.OpCreate, faultfs.OpSync, "none"} {
			fs := faultfs.New()
			l := mustOpen(t, fs)
			for range 20 { // and files that are used again
				write(t, l, strings.Repeat("g", 2500), true)
				if err := l.Trim(l.End()); err != nil {
					t.Fatal(err)
				}
			}
			l.Abandon()
			for _, f := range []faultfs.Fault{
				faultfs.FailNth(faultfs.OpSync, fs.Count(faultfs.OpSync)+sync, broken),
				faultfs.FailNth(second, fs.Count(second)+1, broken),
			} {
				fs.SetFault(f)
				if failed, err := filelog.Open(small(fs, dir)); err == nil {
					failed.Abandon()
				}
			}
			fs.SetFault(nil)
			l = mustOpen(t, fs)
			for range 3 {
				write(t, l, "later", true)
			}
			l.Abandon()
			named += headsAreNamed(t, fs)
		}
	}
	if named < 20 {
		t.Errorf("only %d damaged heads were named", named)
	}
}

// What an opening wrote anew, as nobody knew it to be durable, may lie in other files than
// its open frame and than the first group after it.
func TestLostOpenFrameIsNamedWhereItWasBeforeCopies(t *testing.T) {
	for _, sizes := range [][]int{{3000}, {100, 3000}, {3000, 3000, 3000}, {9000}} {
		fs := faultfs.New()
		l := mustOpen(t, fs)
		write(t, l, "durable", true)
		for _, n := range sizes {
			write(t, l, strings.Repeat("u", n), false)
		}
		l.Abandon()
		l = mustOpen(t, fs)
		for range 3 {
			write(t, l, "later", true)
		}
		l.Abandon()
		if named := headsAreNamed(t, fs); named == 0 {
			t.Errorf("groups of %v bytes: no damaged head was named", sizes)
		}
	}
}

// headsAreNamed damages the head of each segment: either that is harmless, or an error
// names the segment. It counts the latter.
func headsAreNamed(t *testing.T, fs *faultfs.FS) (named int) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		hurt := fs.CrashClone(keepAll)
		if err := hurt.Alter(path.Join(dir, name), flip(9, 0)); err != nil {
			t.Fatal(err)
		}
		l, err := filelog.Open(small(hurt, dir))
		if err == nil {
			l.Abandon()
			continue
		}
		named++
		if where, ok := errors.AsType[*substrate.Damage](err); !ok || where.File != name {
			t.Errorf("the head of %s of %v is damaged: %v", name, names, err)
		}
	}
	return named
}
