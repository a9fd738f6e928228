package sidefile_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

const dir = "/side" // its parent is there for certain

func open(fs *faultfs.FS) *sidefile.Files { return sidefile.Open(fs, dir, [16]byte{3}) }

// put keeps n chunks of a generation for partition 7.
func put(f *sidefile.Files, generation byte, n int) error {
	return f.Put(7, func(add func(substrate.Offset, []byte) error) error {
		for i := range n {
			if err := add(substrate.Offset(10*i+10), slices.Repeat([]byte{generation}, 100*i+1)); err != nil {
				return err
			}
		}
		return nil
	})
}

// kept reads what is kept for partition 7: its generation and number of chunks.
func kept(f *sidefile.Files) (generation byte, n int, err error) {
	err = f.Read(7, func(end substrate.Offset, chunk []byte) error {
		if end != substrate.Offset(10*n+10) || len(chunk) != 100*n+1 {
			return fmt.Errorf("chunk %d: end %d, %d bytes", n, end, len(chunk))
		}
		generation = chunk[0]
		n++
		return nil
	})
	return generation, n, err
}

func TestPutReplacesAndRemoveForgets(t *testing.T) {
	f := open(faultfs.New())
	if _, _, err := kept(f); !errors.Is(err, substrate.ErrNoSideFile) {
		t.Fatalf("before anything was put: %v", err)
	}
	for generation, n := range []int{5, 0, 3} {
		if err := put(f, byte(generation), n); err != nil {
			t.Fatal(err)
		}
		if g, got, err := kept(f); err != nil || got != n || n > 0 && g != byte(generation) {
			t.Errorf("put %d of generation %d: %d of %d, %v", n, generation, got, g, err)
		}
	}
	if err := errors.Join(f.Remove(7), f.Remove(7), f.Remove(8)); err != nil {
		t.Error(err)
	}
	if _, _, err := kept(f); !errors.Is(err, substrate.ErrNoSideFile) {
		t.Errorf("after its removal: %v", err)
	}
}

// A crash at any operation of a Put leaves what was kept before, or the new.
func TestCrashDuringPutLeavesOneOrTheOther(t *testing.T) {
	fs := faultfs.New()
	if err := put(open(fs), 1, 4); err != nil {
		t.Fatal(err)
	}
	var found []*faultfs.FS
	fs.SetFault(func(faultfs.Op) error {
		found = append(found, fs.CrashClone(faultfs.Crash{}))
		return nil
	})
	if err := put(open(fs), 2, 6); err != nil {
		t.Fatal(err)
	}
	fs.SetFault(nil)
	for i, after := range found {
		if g, n, err := kept(open(after)); err != nil || !(g == 1 && n == 4) && !(g == 2 && n == 6) {
			t.Errorf("crash %d: %d chunks of generation %d, %v", i, n, g, err)
		}
	}
	if g, n, err := kept(open(fs.CrashClone(faultfs.Crash{}))); err != nil || g != 2 || n != 6 {
		t.Errorf("what Put made durable: %d chunks of generation %d, %v", n, g, err)
	}
}

func TestFailedPutLeavesWhatWasKept(t *testing.T) {
	fs := faultfs.New()
	f := open(fs)
	if err := put(f, 1, 4); err != nil {
		t.Fatal(err)
	}
	usage, err := fs.GetDiskUsage(dir)
	if err != nil {
		t.Fatal(err)
	}
	fs.SetCapacity(int64(usage.UsedBytes) + 50)
	if err := put(f, 2, 40); !errors.Is(err, substrate.ErrDiskFull) {
		t.Errorf("put on a full disk: %v", err)
	}
	wanted := errors.New("no more")
	err = f.Put(7, func(func(substrate.Offset, []byte) error) error { return wanted })
	if !errors.Is(err, wanted) {
		t.Errorf("put that was given up: %v", err)
	}
	if g, n, err := kept(f); err != nil || g != 1 || n != 4 {
		t.Errorf("%d chunks of generation %d, %v", n, g, err)
	}
}

// partAt is where the header, entry or end begins that has a byte of a file of three chunks.
func partAt(at int64) (begin int64) {
	for _, next := range []int64{34, 34 + 17, 34 + 17 + 117, 34 + 17 + 117 + 217} {
		if next <= at {
			begin = next
		}
	}
	return begin
}

func TestEveryFlippedBitAndCutIsNamedWithItsPlace(t *testing.T) {
	fs := faultfs.New()
	if err := put(open(fs), 1, 3); err != nil {
		t.Fatal(err)
	}
	name := dir + "/" + sidefile.Name(7)
	info, err := fs.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	for at := range int(info.Size()) {
		for how, harm := range []func([]byte) []byte{
			func(b []byte) []byte { b[at] ^= 1 << (at % 8); return b },
			func(b []byte) []byte { return b[:at] },
			func(b []byte) []byte { return append(b, 0) },
		} {
			after := fs.CrashClone(faultfs.Crash{})
			if err := after.Alter(name, harm); err != nil {
				t.Fatal(err)
			}
			_, _, err := kept(open(after))
			damage, ok := errors.AsType[*substrate.Damage](err)
			if newer := errors.Is(err, substrate.ErrNewerFormat); !newer && (!ok || damage.File != sidefile.Name(7) || how < 2 && damage.Offset != partAt(int64(at))) {
				t.Fatalf("byte %d, harm %d: %v", at, how, err)
			}
		}
	}
	if _, _, err := kept(sidefile.Open(fs, dir, [16]byte{4})); !errors.Is(err, substrate.ErrForeign) {
		t.Errorf("file of another hub: %v", err)
	}
}

// Who has lost the directory leaves the files to the next one.
func TestFilesOfSomebodyElseAreLeftAlone(t *testing.T) {
	fs := faultfs.New()
	lost := errors.New("somebody else has opened the hub")
	var at, changes int
	guarded := open(fs).Guarded(func() error {
		if changes >= at {
			return lost
		}
		return nil
	})
	count := func(op faultfs.Op) error {
		if op.Kind == faultfs.OpRename || op.Kind == faultfs.OpRemove {
			if changes++; changes > at {
				t.Errorf("lost after %d changes: %s %s", at, op.Kind, op.Path)
			}
		}
		return nil
	}
	for ; at < 3; at++ {
		changes = 0
		fs.SetFault(count)
		err := errors.Join(put(guarded, 1, 2), put(guarded, 2, 3), guarded.Remove(7))
		if fs.SetFault(nil); !errors.Is(err, lost) {
			t.Errorf("lost after %d changes: %v", at, err)
		}
		if g, _, err := kept(open(fs)); at > 0 && (err != nil || int(g) != at) {
			t.Errorf("lost after %d changes, the file is of generation %d: %v", at, g, err)
		}
	}
	// And in the middle: what it was writing takes nobody's place.
	changes, at = 0, 1
	err := guarded.Put(7, func(func(substrate.Offset, []byte) error) error { changes = at; return nil })
	if g, _, readErr := kept(open(fs)); !errors.Is(err, lost) || readErr != nil || g != 2 {
		t.Errorf("lost while it wrote: %v, the file is of generation %d: %v", err, g, readErr)
	}
}
