package sweep_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// atRest makes a hub with everything in it, in which nothing moves: the log does
// not reach back to the beginning, and what is named last- is in it alone. Older has
// what it was before it was opened for the last time, and before the last checkpoint.
func atRest(t *testing.T, rounds int) (fs *faultfs.FS, older []*faultfs.FS) {
	t.Helper()
	fs = faultfs.New()
	w := newWorkload(t.Context())
	var err error
	for round := range rounds {
		if w.hub, err = openHub(fs); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.first(fmt.Sprint("r", round, "-")), rests(w.hub), w.hub.Close(w.ctx)); err != nil {
			t.Fatal(err)
		}
	}
	older = append(older, whole(fs))
	if w.hub, err = openHub(fs); err != nil {
		t.Fatal(err)
	}
	defer w.hub.Kill()
	err = errors.Join(w.first("r-"), w.say("r-l0", 1), rests(w.hub))
	older = append(older, whole(fs))
	err = errors.Join(err, w.hub.Checkpoint(w.ctx),
		w.transfers("last-t", 3, true), w.square("last-s", 3), w.listen("last-l"), w.say("last-l", 2), rests(w.hub))
	if err != nil {
		t.Fatal(err)
	}
	return fs, older
}

// rests waits until nothing moves.
func rests(h *netherite.Hub) error {
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		switch working, _ := h.Working(); {
		case !working:
			return nil
		case time.Now().After(end):
			return errors.New("the hub does not come to rest")
		}
	}
}

// seen is all that clients can see of a hub's instances, by their IDs, as text.
func seen(fs *faultfs.FS) (map[string]string, map[string]bool, error) {
	hub, err := netherite.Open(dir, netherite.Files(fs), netherite.Logger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, nil, err
	}
	defer hub.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all, aside := map[string]string{}, map[string]bool{}
	for _, entities := range []bool{false, true} {
		q := engine.Query{Entities: entities, GetOptions: engine.GetOptions{Payloads: true, Waits: true}}
		for inst, err := range durable.Query(ctx, hub, q) {
			if err != nil {
				return nil, nil, err
			}
			aside[inst.ID] = inst.Waits != nil && inst.Waits.Quarantine != nil
			inst.LastUpdated = 0
			history, err := hub.Engine().History(ctx, inst.ID)
			if err != nil && !entities {
				return nil, nil, fmt.Errorf("history of %s: %w", inst.ID, err)
			}
			text, err := json.Marshal([]any{inst, history})
			if err != nil {
				return nil, nil, err
			}
			all[inst.ID] = string(text)
		}
	}
	return all, aside, hub.Health()
}

// filesOf lists the files of a hub.
func filesOf(t *testing.T, fs *faultfs.FS, of string) (names []string) {
	t.Helper()
	list, err := fs.List(of)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	for _, name := range list {
		name = path.Join(of, name)
		info, err := fs.Stat(name)
		switch {
		case err != nil:
			t.Fatal(err)
		case info.IsDir():
			names = append(names, filesOf(t, fs, name)...)
		case !strings.HasSuffix(name, "LOCK") && !strings.Contains(name, "ballast") && !strings.Contains(name, "spare"):
			names = append(names, name)
		}
	}
	return names
}

func whole(fs *faultfs.FS) *faultfs.FS {
	return fs.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1, Rand: rand.New(rand.NewPCG(0, 0))})
}

// damaged damages some files of a hub. Unsure: what is torn from the end of the log may
// look like what a crash leaves there.
func damaged(t *testing.T, fs *faultfs.FS, rng *rand.Rand) (disk *faultfs.FS, what string, unsure bool) {
	disk = whole(fs)
	files := filesOf(t, disk, dir)
	for range 1 + rng.IntN(2) {
		name := files[rng.IntN(len(files))]
		if rng.IntN(2) == 0 { // most files are of the log
			for !strings.HasSuffix(name, ".sst") {
				name = files[rng.IntN(len(files))]
			}
		}
		how, at := rng.IntN(9), rng.IntN(1<<24)
		if how > 6 {
			how = 0
		}
		if how < 4 {
			disk.Harm(name, byte(how), at, 1<<rng.IntN(8))
		} else if err := displaced(disk, name, how, files); err != nil {
			t.Fatal(err)
		}
		what += fmt.Sprintf(" %s:%s@%d", name, [...]string{"bit", "cut", "zeros", "gone", "another", "directory", "with its directory"}[how], at)
		unsure = unsure || strings.Contains(name, "/log/") && how < 6 && how%2 == 0
	}
	return disk, what, unsure
}

// displaced puts something else in the place of a file, or takes away all that lies
// beside it.
func displaced(disk *faultfs.FS, name string, how int, files []string) error {
	switch how {
	case 4:
		another := name
		for _, other := range files { // the last of its kind
			if path.Dir(other) == path.Dir(name) && path.Ext(other) == path.Ext(name) && other != name {
				another = other
			}
		}
		var content []byte
		_ = disk.Alter(another, func(data []byte) []byte { content = slices.Clone(data); return data }) // it may be gone already
		if content != nil {
			_ = disk.Alter(name, func([]byte) []byte { return content })
		}
	case 5:
		return errors.Join(disk.RemoveAll(name), disk.MkdirAll(name, 0o700))
	case 6:
		if of := path.Dir(name); of != dir {
			return disk.RemoveAll(of)
		}
	}
	return nil
}

// judged compares a repaired hub with what it was.
func judged(r *netherite.RepairReport, before, after map[string]string, aside map[string]bool, unsure bool) error {
	lossy := map[int]bool{} // has lost of the log's tail
	for _, l := range r.Losses {
		lossy[l.Partition] = true
	}
	told := map[string]bool{}
	nameless := map[int]int{}
	for _, s := range r.Sifted {
		for _, i := range s.Instances {
			switch {
			case !i.Kept:
				nameless[s.Partition]++
			case !aside[i.ID] && after[i.ID] != "" && !lossy[s.Partition]:
				return fmt.Errorf("%s is reported as quarantined (%s), and is not", i.ID, i.Reason)
			}
			told[i.ID] = true
		}
	}
	for id, was := range before {
		p := model.PartitionOf(id, partitions)
		late := strings.HasPrefix(id, "last-") || model.IsEntity(id)
		switch is, ok := after[id]; {
		case is == was:
			if told[id] {
				return fmt.Errorf("%s is reported to be damaged, and is as it was", id)
			}
		case told[id] && ok:
		case !ok && nameless[p] > 0:
			nameless[p]--
		case late && (lossy[p] || unsure):
		case !ok && r.Loses() && unnamed(r, p):
		default:
			return fmt.Errorf("%s of partition %d is gone (%t) or different, and nothing says so:\n%s\n%s", id, p, !ok, was, is)
		}
	}
	for p, n := range nameless {
		if n > 0 {
			return fmt.Errorf("%d instances of partition %d are reported without a name, and are as they were", n, p)
		}
	}
	for id := range after {
		if before[id] == "" {
			return fmt.Errorf("%s is there, and was not", id)
		}
	}
	return nil
}

func unnamed(r *netherite.RepairReport, p int) bool {
	return slices.ContainsFunc(r.Sifted, func(s netherite.SiftedPartition) bool { return s.Partition == p && s.Unnamed })
}

// TestRepairOfAnyDamageSaysWhatIsLost damages hubs at random, and holds that a
// repair loses nothing unless it is told to, says all that it loses, and nothing
// else.
func TestRepairOfAnyDamageSaysWhatIsLost(t *testing.T) {
	fs, older := atRest(t, 8)
	if r, err := netherite.InspectFiles(whole(fs), dir); err != nil || len(r.Damage) > 0 || r.LogBegin == 0 || r.Checkpoints != partitions {
		t.Fatalf("%+v, %v", r, err)
	}
	before, _, err := seen(whole(fs))
	if err != nil || len(before) < 20 {
		t.Fatalf("%d instances, %v", len(before), err)
	}
	lost, kept, unharmed := 0, 0, 0
	aside, nameless, counters, unsaid := 0, 0, 0, 0
	first, count := number(t, seedVariable), 24*number(t, seedsVariable)
	if os.Getenv(sweepVariable) != "" {
		count *= 2
	}
	for seed := first; seed < first+count; seed++ {
		rng := rand.New(rand.NewPCG(seed, 77))
		disk, what, unsure := damaged(t, fs, rng)
		if seed%3 == 0 {
			disk, what, unsure = withoutItsEnd(t, fs, older[rng.IntN(len(older))], rng)
		}
		what = fmt.Sprintf("seed %d:%s", seed, what)
		sum := disk.Sum()
		r, err := netherite.RepairFiles(t.Context(), disk, dir, netherite.RepairOptions{})
		switch {
		case errors.Is(err, netherite.ErrLoses) && r.Loses():
			if disk.Sum() != sum {
				t.Errorf("%s: it has changed something without Drop", what)
			}
			lost++
			if r, err = netherite.RepairFiles(t.Context(), disk, dir, netherite.RepairOptions{Drop: true}); err != nil || !r.Done {
				t.Errorf("%s: %+v, %v", what, r, err)
				continue
			}
		case err != nil || r.Loses():
			t.Errorf("%s: %+v, %v", what, r, err)
			continue
		case r.Done:
			kept++
		default:
			unharmed++
		}
		if v, err := netherite.InspectFiles(disk, dir); err != nil || len(v.Damage) > 0 {
			t.Errorf("%s: still damaged: %+v, %v; %+v", what, v, err, r)
			continue
		}
		for _, s := range r.Sifted {
			for _, i := range s.Instances {
				if aside++; !i.Kept {
					nameless++
				}
			}
			if s.Singletons {
				counters++
			}
			if s.Unnamed {
				unsaid++
			}
		}
		after, set, err := seen(disk)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if err := judged(r, before, after, set, unsure); err != nil {
			text, _ := json.MarshalIndent(r, "", " ")
			t.Errorf("%s: %v\n%s", what, err, text)
		}
	}
	t.Logf("%d repairs lost something, %d nothing, %d found nothing to do", lost, kept, unharmed)
	t.Logf("%d instances were not whole, %d of them without a name; %d partitions without counters, %d with instances that nothing names", aside, nameless, counters, unsaid)
	if lost < 5 || aside < 20 || os.Getenv(sweepVariable) != "" && (kept < 2 || counters < 3) {
		t.Error("that is too little to show anything")
	}
}
