package substratetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/netherite-go/netherite/substrate"
)

func storeAbsent(t *testing.T, r *storeRun) {
	wantAbsent(t, r.store, substrate.Main, "x")
	wantAbsent(t, r.store, substrate.History, "x")
	r.apply(func(b substrate.Batch) { b.Set(substrate.Main, []byte("empty"), nil) })
	if got, err := r.store.Get(substrate.Main, []byte("empty")); got == nil || len(got) != 0 || err != nil {
		t.Fatalf("empty value: %v, %v", got, err)
	}
}

func storeVisible(t *testing.T, r *storeRun) {
	r.apply(func(b substrate.Batch) {
		b.Set(substrate.Main, []byte("a"), []byte("1"))
		b.Set(substrate.Main, []byte("b"), []byte("2"))
		b.Set(substrate.History, []byte("a"), []byte("h"))
		if b.Len() != 3 || b.Size() < 6 {
			t.Fatalf("%d changes of %d bytes", b.Len(), b.Size())
		}
	})
	wantSpace(t, r.store, substrate.Main, map[string]string{"a": "1", "b": "2"})
	wantSpace(t, r.store, substrate.History, map[string]string{"a": "h"})
	r.apply(func(b substrate.Batch) {
		b.Delete(substrate.Main, []byte("a"))
		b.Delete(substrate.Main, []byte("never there"))
		b.Set(substrate.Main, []byte("b"), []byte("3"))
	})
	wantSpace(t, r.store, substrate.Main, map[string]string{"b": "3"})
	wantAbsent(t, r.store, substrate.Main, "a")
}

func storeOrder(t *testing.T, r *storeRun) {
	for _, space := range []substrate.Space{substrate.Main, substrate.History} {
		r.apply(func(b substrate.Batch) { b.Set(space, []byte("c"), []byte("old")) })
		r.apply(func(b substrate.Batch) {
			set := func(k, v string) { b.Set(space, []byte(k), []byte(v)) }
			set("a", "1")
			b.Delete(space, []byte("a"))
			set("b", "1")
			b.DeleteRange(space, []byte("a"), []byte("d"))
			set("b", "2")
			set("d", "1")
			b.DeleteRange(space, []byte("d"), []byte("d"))
			b.DeleteRange(space, []byte("z"), []byte("a"))
			set("e", "1")
			b.Delete(space, []byte("e"))
			set("e", "2")
			b.Delete(space, []byte("f"))
			set("g", "1")
			b.DeleteRange(space, []byte("g"), nil)
		})
		wantSpace(t, r.store, space, map[string]string{"b": "2", "d": "1", "e": "2"})
		r.flush()
		r.flush()
		wantSpace(t, r.store, space, map[string]string{"b": "2", "d": "1", "e": "2"})
	}
}

func storeCopies(t *testing.T, r *storeRun) {
	key, value := []byte("key"), []byte("value")
	r.apply(func(b substrate.Batch) {
		b.Set(substrate.Main, key, value)
		clear(key)
		clear(value)
	})
	got, err := r.store.Get(substrate.Main, []byte("key"))
	if err != nil || string(got) != "value" {
		t.Fatalf("%q, %v", got, err)
	}
	clear(got)
	wantSpace(t, r.store, substrate.Main, map[string]string{"key": "value"})
}

func storeScan(t *testing.T, r *storeRun) {
	for _, space := range []substrate.Space{substrate.Main, substrate.History} {
		r.apply(func(b substrate.Batch) {
			for _, i := range r.rng.Perm(100) {
				b.Set(space, fmt.Appendf(nil, "k%02d", i), []byte("v"))
			}
			b.Set(space, []byte{0xfe, 0xff}, []byte("last"))
		})
		for _, c := range []struct {
			low, high string
			stop      int
			want      []string
		}{
			{"k03", "k06", 9, []string{"k03", "k04", "k05"}},
			{"k03", "k03", 9, nil},
			{"k06", "k03", 9, nil},
			{"k98", "", 9, []string{"k98", "k99", "\xfe\xff"}},
			{"", "k02", 9, []string{"k00", "k01"}},
			{"k10", "", 2, []string{"k10", "k11"}},
		} {
			var got []string
			if err := r.store.Scan(space, []byte(c.low), []byte(c.high), func(k, _ []byte) bool {
				got = append(got, string(k))
				return len(got) < c.stop
			}); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("[%s, %s): %q, want %q, %v", c.low, c.high, got, c.want, err)
			}
		}
	}
}

func storeBadKey(t *testing.T, r *storeRun) {
	for _, key := range [][]byte{nil, {0xff}, {0xff, 's', 0, 0, 0, 0}} {
		b := r.store.NewBatch()
		b.Set(substrate.Main, []byte("good"), nil)
		b.Set(substrate.Main, key, nil)
		if err := r.store.Apply(b, 0, substrate.Stamp{}); err == nil {
			t.Errorf("key %x: want an error", key)
		}
	}
	wantSpace(t, r.store, substrate.Main, map[string]string{})
	b := r.store.NewBatch()
	if err := r.store.Apply(b, 0, substrate.Stamp{}); err != nil {
		t.Fatal(err)
	}
	if err := r.store.Apply(b, 0, substrate.Stamp{}); err == nil {
		t.Error("a batch applied twice: want an error")
	}
}

func storeSnapshot(t *testing.T, r *storeRun) {
	all := func(v string) func(substrate.Batch) {
		return func(b substrate.Batch) {
			for _, space := range []substrate.Space{substrate.Main, substrate.History} {
				b.Set(space, []byte("k"), []byte(v))
			}
		}
	}
	r.apply(all("1"))
	snap := r.store.Snapshot()
	r.apply(func(b substrate.Batch) {
		for _, space := range []substrate.Space{substrate.Main, substrate.History} {
			b.Delete(space, []byte("k"))
			b.Set(space, []byte("l"), []byte("2"))
		}
	})
	r.flush()
	r.flush()
	for _, space := range []substrate.Space{substrate.Main, substrate.History} {
		wantSpace(t, snap, space, map[string]string{"k": "1"})
		wantSpace(t, r.store, space, map[string]string{"l": "2"})
		wantAbsent(t, r.store, space, "k")
	}
	if err := snap.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := snap.Get(substrate.Main, []byte("k")); err == nil {
		t.Fatal("get of a closed snapshot: want an error")
	}
}

func storeStamp(t *testing.T, r *storeRun) {
	want := map[int]substrate.Stamp{3: {Offset: 1, Epoch: 2, Record: 3}, 255: {Offset: 1 << 60, Epoch: 9, Record: 7}}
	check := func() {
		t.Helper()
		for p := range 256 {
			if got, err := r.store.Stamp(p); err != nil || got != want[p] {
				t.Fatalf("partition %d: %+v, %v", p, got, err)
			}
		}
	}
	for p, stamp := range want {
		if err := r.store.Apply(r.store.NewBatch(), p, substrate.Stamp{Offset: 1}); err != nil {
			t.Fatal(err)
		}
		if err := r.store.Apply(r.store.NewBatch(), p, stamp); err != nil {
			t.Fatal(err)
		}
	}
	check()
	r.flush()
	r.reopen()
	check()
	wantSpace(t, r.store, substrate.Main, map[string]string{})
}

func storeHistory(t *testing.T, r *storeRun) {
	r.apply(func(b substrate.Batch) {
		for i := range 10 {
			b.Set(substrate.History, fmt.Appendf(nil, "k%d", i), []byte("v"))
		}
	})
	r.flush()
	r.apply(func(b substrate.Batch) {
		b.DeleteRange(substrate.History, []byte("k2"), []byte("k8"))
		b.Delete(substrate.History, []byte("k9"))
	})
	r.apply(func(b substrate.Batch) { b.DeleteRange(substrate.History, []byte("k0"), []byte("k3")) })
	want := map[string]string{"k8": "v"}
	wantSpace(t, r.store, substrate.History, want)
	wantAbsent(t, r.store, substrate.History, "k5")
	for range 4 {
		r.flush()
		wantSpace(t, r.store, substrate.History, want)
		r.reopen()
		wantSpace(t, r.store, substrate.History, want)
	}
}

func storeHistoryAgain(t *testing.T, r *storeRun) {
	want := map[string]string{}
	for i := range 12 {
		v := fmt.Sprint(i)
		r.apply(func(b substrate.Batch) {
			b.Set(substrate.History, []byte("k"), []byte(v))
			b.Set(substrate.History, []byte("l"), []byte(v))
		})
		if i%3 == 1 {
			r.flush()
		}
		r.apply(func(b substrate.Batch) { b.DeleteRange(substrate.History, []byte("a"), []byte("l")) })
		r.apply(func(b substrate.Batch) { b.Set(substrate.History, []byte("k"), []byte("again"+v)) })
		want["k"], want["l"] = "again"+v, v
		wantSpace(t, r.store, substrate.History, want)
		if i%2 == 1 {
			r.flush()
			r.reopen()
			wantSpace(t, r.store, substrate.History, want)
		}
	}
}

func storeFlush(t *testing.T, r *storeRun) {
	r.apply(func(b substrate.Batch) {
		b.Set(substrate.Main, []byte("a"), []byte("1"))
		b.Set(substrate.History, []byte("h"), bytes.Repeat([]byte("x"), 100_000))
	})
	r.flush()
	for range 3 {
		r.reopen()
		wantSpace(t, r.store, substrate.Main, map[string]string{"a": "1"})
		if got, err := r.store.Get(substrate.History, []byte("h")); err != nil || len(got) != 100_000 {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	if s := r.store.Stats(); s.Flushes != 0 && s.AppliedBytes != 0 {
		t.Fatalf("counts since before open: %+v", s)
	}
}

func storeClose(t *testing.T, r *storeRun) {
	r.apply(func(b substrate.Batch) { b.Set(substrate.Main, []byte("a"), []byte("1")) })
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	r.medium.Crash(r.rng)
	r.open()
	wantSpace(t, r.store, substrate.Main, map[string]string{"a": "1"})
}

// refusals calls everything and wants it refused with one error.
func refusals(t *testing.T, s substrate.Store, b substrate.Batch, want error) {
	t.Helper()
	_, errGet := s.Get(substrate.Main, []byte("a"))
	_, errHistory := s.Get(substrate.History, []byte("a"))
	_, errStamp := s.Stamp(0)
	_, errExport := s.Export("/nowhere")
	_, errSnap := s.Snapshot().Get(substrate.Main, []byte("a"))
	for name, err := range map[string]error{
		"get": errGet, "get history": errHistory, "stamp": errStamp, "export": errExport, "snapshot": errSnap,
		"scan":  s.Scan(substrate.Main, nil, nil, func(_, _ []byte) bool { return true }),
		"apply": s.Apply(b, 0, substrate.Stamp{}),
		"flush": s.Flush(),
	} {
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	s.Stats() // must not hang or panic
}

func storeClosed(t *testing.T, r *storeRun) {
	b := r.store.NewBatch()
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	refusals(t, r.store, b, substrate.ErrClosed)
	if err := r.store.Close(); !errors.Is(err, substrate.ErrClosed) {
		t.Errorf("close: %v", err)
	}
}

func storeAbandoned(t *testing.T, r *storeRun) {
	r.apply(func(b substrate.Batch) { b.Set(substrate.Main, []byte("a"), []byte("1")) })
	r.flush()
	r.apply(func(b substrate.Batch) { b.Set(substrate.Main, []byte("a"), []byte("2")) })
	b := r.store.NewBatch()
	r.store.Abandon()
	refusals(t, r.store, b, substrate.ErrClosed)
	if err := r.store.Close(); !errors.Is(err, substrate.ErrClosed) {
		t.Errorf("close: %v", err)
	}
	r.open()
	wantSpace(t, r.store, substrate.Main, map[string]string{"a": "1"})
}

func storeZombie(t *testing.T, r *storeRun) {
	old := r.store
	b := old.NewBatch()
	r.medium.Crash(r.rng)
	if err := old.Apply(b, 0, substrate.Stamp{}); err == nil {
		t.Error("apply: want an error")
	}
	if err := old.Flush(); err == nil {
		t.Error("flush: want an error")
	}
	r.open()
}

func storeFailedFlush(t *testing.T, r *storeRun) {
	if r.medium.FailFlush == nil {
		return
	}
	put := func(v string) func(substrate.Batch) {
		return func(b substrate.Batch) {
			b.Set(substrate.Main, []byte("a"), []byte(v))
			b.Set(substrate.History, []byte("a"), []byte(v))
		}
	}
	r.apply(put("1"))
	r.flush()
	r.apply(put("2"))
	r.medium.FailFlush(errInjected)
	if err := r.store.Flush(); !errors.Is(err, substrate.ErrFailed) || !errors.Is(err, errInjected) {
		t.Fatalf("flush: %v", err)
	}
	refusals(t, r.store, r.store.NewBatch(), substrate.ErrFailed)
	if err := r.store.Close(); !errors.Is(err, substrate.ErrFailed) {
		t.Errorf("close: %v", err)
	}
	r.reopen()
	if got, err := r.store.Get(substrate.Main, []byte("a")); err != nil || string(got) != "1" && string(got) != "2" {
		t.Fatalf("after reopening: %q, %v", got, err)
	}
	r.apply(put("3"))
	r.flush()
	r.reopen()
	wantSpace(t, r.store, substrate.Main, map[string]string{"a": "3"})
}

func storeExport(t *testing.T, r *storeRun) {
	if r.medium.OpenExport == nil {
		return
	}
	r.apply(func(b substrate.Batch) {
		b.Set(substrate.Main, []byte("a"), []byte("1"))
		b.Set(substrate.History, []byte("h1"), []byte("1"))
		b.Set(substrate.History, []byte("h2"), []byte("2"))
	})
	r.apply(func(b substrate.Batch) { b.Delete(substrate.History, []byte("h1")) })
	r.flush()
	stamp, err := r.store.Stamp(0)
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.store.Export(r.medium.ExportDir)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Files) == 0 || m.Stamps[0] != stamp {
		t.Fatalf("manifest %+v, stamp %+v", m, stamp)
	}
	if _, err := r.store.Export(r.medium.ExportDir); err == nil {
		t.Fatal("export to what exists: want an error")
	}
	r.apply(func(b substrate.Batch) { b.Set(substrate.Main, []byte("a"), []byte("2")) })
	r.flush()
	r.medium.Crash(r.rng)
	s, err := r.medium.OpenExport(r.medium.ExportDir)
	if err != nil {
		t.Fatal(err)
	}
	wantSpace(t, s, substrate.Main, map[string]string{"a": "1"})
	wantSpace(t, s, substrate.History, map[string]string{"h2": "2"})
	if got, err := s.Stamp(0); err != nil || got != stamp {
		t.Fatalf("stamp %+v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r.open()
}
