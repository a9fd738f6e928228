package filelog_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
)

// stages is a log at three moments: closed, when its second opening had written a
// little, and after a crash in the midst of that.
func stages(t *testing.T) (closed, early, crashed *faultfs.FS, reach substrate.Reach) {
	t.Helper()
	fs := faultfs.New()
	l := mustOpen(t, fs)
	mustWrite(t, l, true, "first", "second")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	closed = fs.CrashClone(keepAll)
	l = mustOpen(t, fs)
	mustWrite(t, l, true, "third")
	early = fs.CrashClone(keepAll)
	for i := range 30 {
		mustWrite(t, l, true, fmt.Sprintf("%0*d", 700, i))
	}
	crashed, reach = fs.CrashClone(keepAll), l.Reached()
	mustWrite(t, l, false, "not durable")
	if r := l.Reached(); r != reach || r.Incarnation != 2 || r.Durable != l.End()-11 {
		t.Fatalf("%+v, %+v", r, reach)
	}
	l.Abandon()
	return closed, early, crashed, reach
}

// written are the segments of a log that are not empty, and the others.
func written(t *testing.T, fs *faultfs.FS) (used, empty []string) {
	t.Helper()
	for _, name := range list(t, fs) {
		switch data := content(t, fs, name); {
		case !strings.HasSuffix(name, ".log"):
		case slices.ContainsFunc(data, func(b byte) bool { return b != 0 }):
			used = append(used, name)
		default:
			empty = append(empty, name)
		}
	}
	return used, empty
}

func TestLogThatDoesNotComeAsFarAsWasNotedIsRefusedAndLeftAsItIs(t *testing.T) {
	closed, early, crashed, reach := stages(t)
	zeroed := crashed.CrashClone(keepAll)
	used, _ := written(t, zeroed)
	alter(t, zeroed, used[len(used)-1], func(data []byte) []byte { clear(data[512:]); return data })
	empty := faultfs.New()
	if err := empty.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, fs := range map[string]*faultfs.FS{
		"of the opening before": closed, "of a moment before": early, "whose end is zeros": zeroed, "of which nothing is there": empty,
	} {
		before := image(t, fs)
		opts := small(fs, dir)
		opts.Least = reach
		_, err := filelog.Open(opts)
		if damage, ok := errors.AsType[*substrate.Damage](err); !ok || damage.Kind != "short" || damage.File == "" || damage.Detail == "" {
			t.Errorf("a log %s: %v", name, err)
		}
		if r, err := filelog.Verify(fs, dir, reach); fs != empty && (err != nil || len(r.Damage) != 1 || r.Damage[0].Kind != "short") {
			t.Errorf("verify a log %s: %+v, %v", name, r, err)
		}
		s, err := filelog.Salvage(fs, dir, filelog.HubID{}, reach)
		if err != nil || !s.EndLost || s.End < reach.Durable || s.Incarnation < reach.Incarnation {
			t.Errorf("salvage a log %s: %+v, %v", name, s, err)
		}
		if image(t, fs) != before {
			t.Errorf("a log %s was changed", name)
		}
	}
	opts := small(faultfs.New(), dir)
	opts.Least = reach
	if _, err := filelog.Open(opts); !errors.Is(err, substrate.ErrDamaged) {
		t.Errorf("a log whose directory is gone: %v", err)
	}
	if _, err := opts.FS.Stat(dir); err == nil {
		t.Error("its directory was made")
	}
	opts = small(crashed, dir)
	opts.Least = reach
	if _, err := filelog.Open(opts); err != nil {
		t.Errorf("the right one: %v", err)
	}
}

func TestEndOfALogIsKnownUnlessAFileIsGoneThatMayHaveHadMore(t *testing.T) {
	_, _, crashed, reach := stages(t)
	used, empty := written(t, crashed)
	last := used[len(used)-1]
	end := len(strings.TrimRight(string(content(t, crashed, last)), "\x00"))
	cut := func(name string, size int) func(*faultfs.FS) {
		return func(fs *faultfs.FS) { alter(t, fs, name, func(data []byte) []byte { return data[:size] }) }
	}
	gone := func(name string) func(*faultfs.FS) {
		return func(fs *faultfs.FS) {
			if err := fs.Remove(dir + "/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
	finished := reach
	finished.Closed = true
	for _, c := range []struct {
		name   string
		damage func(*faultfs.FS)
		reach  substrate.Reach
		lost   bool
	}{
		{"nothing happened", func(*faultfs.FS) {}, reach, false},
		{"the last segment is gone", gone(last), substrate.Reach{}, true},
		{"the prepared segment is gone", gone(empty[0]), reach, true},
		{"the prepared segment is gone, and there was no more", gone(empty[0]), finished, false},
		{"the last segment is cut in a frame", cut(last, end-10), substrate.Reach{}, true},
		{"the last segment is cut behind its last frame", cut(last, (end+511)&^511), reach, true},
		{"the last segment is cut further behind", cut(last, (end+511)&^511+512), reach, false},
		{"the prepared segment is empty", cut(empty[0], 0), reach, true},
		{"the prepared segment is cut", cut(empty[0], 512), reach, false},
		{"the last segment is gone, and is known to have been the last", gone(last), finished, false},
		{"the identity is gone", gone("identity"), reach, false},
		{"the identity and the last segments are gone", func(fs *faultfs.FS) { gone("identity")(fs); gone(last)(fs); gone(empty[0])(fs) }, substrate.Reach{}, true},
		{"a segment in the middle is gone", gone(used[len(used)-2]), reach, false},
	} {
		fs := crashed.CrashClone(keepAll)
		c.damage(fs)
		s, err := filelog.Salvage(fs, dir, filelog.HubID{}, c.reach)
		if err != nil || s.EndLost != c.lost {
			t.Errorf("%s: the end is lost: %t, %v; %v", c.name, s.EndLost, err, s.Damage)
		}
	}
}

// The first frame of an incarnation is durable before the identity tells of its segment.
func TestOpeningOfWhichNothingIsLeftIsMissed(t *testing.T) {
	_, early, _, _ := stages(t)
	used, _ := written(t, early)
	alter(t, early, used[len(used)-1], func(data []byte) []byte { clear(data); return data })
	_, err := filelog.Open(small(early, dir))
	if damage, ok := errors.AsType[*substrate.Damage](err); !ok || damage.File != used[len(used)-1] || damage.Kind != "short" {
		t.Error(err)
	}
}

// A group that does not fit into what is prepared begins a segment of its own. Here there
// is no space to prepare one that would follow it.
func TestSegmentThatALargeGroupHasBegunIsMissed(t *testing.T) {
	fs := faultfs.New()
	l := mustOpen(t, fs)
	mustWrite(t, l, true, "small")
	usage, err := fs.GetDiskUsage("/")
	if err != nil {
		t.Fatal(err)
	}
	fs.SetCapacity(int64(usage.UsedBytes) + 110_000)
	mustWrite(t, l, true, strings.Repeat("large", 20_000))
	fs = fs.CrashClone(keepAll)
	l.Abandon()
	used, _ := written(t, fs)
	if err := fs.Remove(dir + "/" + used[len(used)-1]); err != nil {
		t.Fatal(err)
	}
	_, err = filelog.Open(small(fs, dir))
	if damage, ok := errors.AsType[*substrate.Damage](err); !ok || damage.File != used[len(used)-1] || damage.Kind != "short" {
		t.Error(err)
	}
}
