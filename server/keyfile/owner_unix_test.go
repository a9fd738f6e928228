//go:build unix

package keyfile_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/server/keyfile"
)

// rights are those of a file or directory.
type rights struct {
	uid, gid uint32
	mode     os.FileMode
}

func rightsOf(t *testing.T, path string) rights {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	s := info.Sys().(*syscall.Stat_t)
	return rights{s.Uid, s.Gid, info.Mode().Perm()}
}

// possible are the rights that this process can give: only root gives files away, and
// whoever else runs the tests has files of their own.
func (r rights) possible() rights {
	if os.Geteuid() != 0 {
		r.uid, r.gid = uint32(os.Geteuid()), uint32(os.Getegid())
	}
	return r
}

func give(t *testing.T, path string, r rights) {
	t.Helper()
	if err := os.Chown(path, int(r.uid), int(r.gid)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, r.mode); err != nil {
		t.Fatal(err)
	}
}

func change(t *testing.T, path, name string) {
	t.Helper()
	k, _ := newKey(t, name)
	if err := keyfile.Change(path, func(list []gate.Key) ([]gate.Key, error) { return append(list, k), nil }); err != nil {
		t.Fatal(err)
	}
}

func TestAFileThatIsChangedKeepsItsOwnerGroupAndMode(t *testing.T) {
	for _, want := range []rights{{65532, 65532, 0o600}, {0, 65532, 0o640}, {65532, 0, 0o440}} {
		want = want.possible()
		path := filepath.Join(t.TempDir(), "keys.yaml")
		change(t, path, "a")
		give(t, path, want)
		change(t, path, "b")
		if got := rightsOf(t, path); got != want {
			t.Errorf("%v has become %v", want, got)
		}
	}
}

func TestTheModeThatTheOwnerHasGivenStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	change(t, path, "a")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	change(t, path, "b")
	if got := rightsOf(t, path).mode; got != 0o644 {
		t.Errorf("the mode is %v", got)
	}
}

func TestANewFileOfRootsCanBeReadByWhomItsDirectoryIsFor(t *testing.T) {
	for dir, want := range map[rights]rights{
		{0, 0, 0o755}:         {0, 0, 0o600},
		{0, 65532, 0o750}:     {0, 65532, 0o640}, // as /etc of a service
		{0, 65532, 0o700}:     {0, 65532, 0o600},
		{65532, 65532, 0o700}: {65532, 65532, 0o600},
		{65532, 65532, 0o755}: {65532, 65532, 0o600},
	} {
		if os.Geteuid() != 0 {
			want.mode = 0o600 // what is not root's is its maker's alone
		}
		dir, want = dir.possible(), want.possible()
		at := t.TempDir()
		give(t, at, dir)
		path := filepath.Join(at, "keys.yaml")
		change(t, path, "a")
		if got := rightsOf(t, path); got != want {
			t.Errorf("in a directory with %v: %v, want %v", dir, got, want)
		}
	}
}

func TestTheFileThatALinkLeadsToIsChanged(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "keys.yaml"), filepath.Join(t.TempDir(), "link.yaml")
	change(t, path, "a")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	change(t, link, "b")
	if list, err := keyfile.Read(path); err != nil || len(list) != 2 {
		t.Errorf("the file has %v, %v", list, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
}
