package filelog_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
)

// An edit of a log is six bytes: which file, what is done to it, which sector,
// where in the sector, with which value, and whether the checksums are made to
// fit afterwards.
const editBytes = 6

// FuzzDamagedLog holds that a log is opened or refused by name, whatever its files
// hold, and that Verify and Open agree; that a refusal changes nothing; and that a
// log that was opened has the same groups when it is opened again.
func FuzzDamagedLog(f *testing.F) {
	f.Add([]byte{})
	for op := range byte(7) {
		f.Add([]byte{0, op, 0, 40, 1, 1})
		f.Add([]byte{1, op, 2, 56, 0xff, 1, 2, op, 0, 14, 4, 1})
		f.Add([]byte{3, op, 1, 8, 0x80, 0})
	}
	whole, _ := long(f)
	f.Fuzz(func(t *testing.T, edits []byte) {
		disk := whole.CrashClone(keepAll)
		for edits = edits[:min(len(edits), 20*editBytes)]; len(edits) >= editBytes; edits = edits[editBytes:] {
			edit(t, disk, [editBytes]byte(edits))
		}
		checkLog(t, disk)
	})
}

// FuzzSegment does the same for a segment with any content.
func FuzzSegment(f *testing.F) {
	whole, _ := long(f)
	for _, name := range list(f, whole) {
		data := content(f, whole, name)
		f.Add(data[:min(len(data), 4096)], false)
		f.Add(data[:min(len(data), 4096)], true)
	}
	first := list(f, whole)[0]
	f.Fuzz(func(t *testing.T, data []byte, reseal bool) {
		disk := whole.CrashClone(keepAll)
		data = slices.Clone(data[:min(len(data), 64<<10)])
		if reseal {
			filelog.Reseal(data)
		}
		alter(t, disk, first, func([]byte) []byte { return data })
		checkLog(t, disk)
	})
}

// FuzzIdentity does the same for the identity file.
func FuzzIdentity(f *testing.F) {
	whole, _ := long(f)
	f.Add(content(f, whole, "identity"), false)
	f.Add(content(f, whole, "identity"), true)
	f.Add(filelog.RaiseVersion(content(f, whole, "identity")), false)
	f.Fuzz(func(t *testing.T, data []byte, reseal bool) {
		disk := whole.CrashClone(keepAll)
		data = slices.Clone(data[:min(len(data), 4096)])
		if reseal {
			filelog.Reseal(data)
		}
		alter(t, disk, "identity", func([]byte) []byte { return data })
		checkLog(t, disk)
	})
}

// checkLog checks a log in which anything may be.
func checkLog(t *testing.T, disk *faultfs.FS) {
	t.Helper()
	var found filelog.Report
	var err error
	fuzztest.Bounded(t, 0, 0, func() { found, err = filelog.Verify(disk, dir, substrate.Reach{}) })
	if err != nil && !errors.Is(err, substrate.ErrNewerFormat) && !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("verify: %v", err)
	}
	before := image(t, disk)
	l, disk, openErr := openBounded(t, disk)
	if openErr != nil {
		for _, want := range []error{substrate.ErrDamaged, substrate.ErrNewerFormat, substrate.ErrForeign} {
			if errors.Is(openErr, want) {
				openErr = nil
			}
		}
		if openErr != nil {
			t.Fatalf("open: %v", openErr)
		}
		if err == nil && len(found.Damage) == 0 {
			t.Fatalf("verify finds no damage, and the log is not opened")
		}
		if after := image(t, disk); after != before {
			t.Fatalf("a refused log was changed:\n%s\n%s", before, after)
		}
		return
	}
	if err == nil && slices.ContainsFunc(found.Damage, func(d *substrate.Damage) bool { return !harmless(d) }) {
		t.Fatalf("opened in spite of %v", found.Damage[0])
	}
	groups := contents(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, disk)
	if again := contents(t, l); !slices.Equal(again, groups) {
		t.Fatalf("opened again it has %d groups, it had %d", len(again), len(groups))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// openBounded opens a log, or a copy of it where that is measured again, and returns the
// disk that was taken. What the files hold is read piece by piece: an opening needs no
// more memory for a long log than for a short one.
func openBounded(t *testing.T, disk *faultfs.FS) (l *filelog.Log, opened *faultfs.FS, err error) {
	t.Helper()
	disks := []*faultfs.FS{disk, disk.CrashClone(keepAll)}
	fuzztest.Bounded(t, 0, 0, func() {
		if err == nil && l != nil {
			err = l.Close()
		}
		opened, disks = disks[0], disks[1:]
		l, err = filelog.Open(small(opened, dir))
	})
	return l, opened, err
}

// harmless reports whether damage is such that nothing is lost: only Verify looks
// for it.
func harmless(d *substrate.Damage) bool {
	return strings.HasSuffix(d.Detail, "; nothing is lost")
}

func list(t testing.TB, disk *faultfs.FS) []string {
	t.Helper()
	names, err := disk.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func content(t testing.TB, disk *faultfs.FS, name string) (data []byte) {
	t.Helper()
	alter(t, disk, name, func(b []byte) []byte {
		data = slices.Clone(b)
		return b
	})
	return data
}

// image digests all files of a log.
func image(t testing.TB, disk *faultfs.FS) (s string) {
	t.Helper()
	for _, name := range list(t, disk) {
		data := content(t, disk, name)
		sum := uint64(14695981039346656037)
		for _, b := range data {
			sum = (sum ^ uint64(b)) * 1099511628211
		}
		s += fmt.Sprintf("%s %d %x\n", name, len(data), sum)
	}
	return s
}

func alter(t testing.TB, disk *faultfs.FS, name string, change func([]byte) []byte) {
	t.Helper()
	if err := disk.Alter(path.Join(dir, name), func(data []byte) []byte { return change(slices.Clone(data)) }); err != nil {
		t.Fatal(err)
	}
}

const sector = 512

// edit changes a file.
func edit(t testing.TB, disk *faultfs.FS, e [editBytes]byte) {
	names := list(t, disk)
	if len(names) == 0 {
		return
	}
	name := names[int(e[0])%len(names)]
	if e[1]%7 == 6 {
		if err := disk.Remove(path.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		return
	}
	alter(t, disk, name, func(data []byte) []byte {
		if len(data) < sector {
			return data
		}
		begin := int(e[2]) % (len(data) / sector) * sector
		here := data[begin : begin+sector]
		switch at := int(e[3]); e[1] % 7 {
		case 0:
			here[at] ^= e[4]
		case 1:
			here[at] = e[4]
		case 2:
			clear(here)
		case 3: // one sector over another
			copy(here, data[int(e[4])%(len(data)/sector)*sector:][:sector])
		case 4:
			data = data[:begin+at]
		case 5:
			for i := range here[at:] {
				here[at+i] ^= e[4]
			}
		}
		if e[5]%2 == 1 {
			filelog.Reseal(data)
		}
		return data
	})
}
