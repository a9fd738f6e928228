package netherite

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Data directories of every format version there was are kept in testdata/formats,
// as an archive and a file that says what is in it. All of them are opened for ever.
const formatsDir = "testdata/formats"

// presentFormat is the archive of a directory as this program writes it. Files and rows
// that older programs of the same version do without come with an archive of their own:
// the one of before stays, and shows that they may be missing.
const presentFormat = "v2-noted"

func presentDirectory() string { return filepath.Join(formatsDir, presentFormat) }

// oldInstance is what must be found of an instance.
type oldInstance struct {
	ID, Name, Status string
	Output           string            `json:",omitempty"`
	Custom           string            `json:",omitempty"`
	Failure          string            `json:",omitempty"`
	Tags             map[string]string `json:",omitempty"`
	Events           int               `json:",omitempty"`
	History          string            `json:",omitempty"` // SHA-256 of its encoding
	State            string            `json:",omitempty"` // of an entity
	LockedBy         string            `json:",omitempty"`
	SetAside         string            `json:",omitempty"` // why
	Held             int64             `json:",omitempty"` // how many messages
}

// oldHub is what must be found in a directory: as it is, and when all that waits has
// been let go on.
type oldHub struct {
	Partitions int
	AtRest     []oldInstance
	Finally    []oldInstance
}

// TestDataOfEveryFormatVersionIsOpenedAndRunsOn opens each directory twice: without
// code, at the time at which it was made, when it must have what it had; and with
// code, a year later, when everything in it must come to its end. With -accept it
// makes the directory of the present version anew.
func TestDataOfEveryFormatVersionIsOpenedAndRunsOn(t *testing.T) {
	present := presentDirectory()
	if *remake {
		dir := t.TempDir()
		makeDirectory(t, dir)
		pack(t, dir, present+".tar.gz")
		writeOld(t, present+".json", lookAt(t, present+".tar.gz"))
	}
	archives, err := filepath.Glob(filepath.Join(formatsDir, "v*.tar.gz"))
	if err != nil || !slices.Contains(archives, present+".tar.gz") || !strings.HasPrefix(presentFormat, fmt.Sprintf("v%d", formatVersion)) {
		t.Fatalf("testdata has %v and not the present version's, %s: make it with -accept (%v)", archives, present, err)
	}
	compareOld(t, archives, lookAt)
}

// compareOld holds what is found in each archive against the JSON beside it.
func compareOld(t *testing.T, archives []string, found func(t *testing.T, archive string) oldHub) {
	t.Helper()
	for _, archive := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(archive), ".tar.gz"), func(t *testing.T) {
			data, err := os.ReadFile(strings.TrimSuffix(archive, ".tar.gz") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var want oldHub
			if err := json.Unmarshal(data, &want); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, found(t, archive)); d != "" {
				t.Errorf("what was written (-) is not what is found (+):\n%s", d)
			}
		})
	}
}

// lookAt is lookAtHub of the directory in an archive.
func lookAt(t *testing.T, archive string) oldHub {
	t.Helper()
	dir := t.TempDir()
	unpack(t, archive, dir)
	if r, err := Inspect(dir); err != nil || r.Segments < 3 || r.Incarnation < 3 || r.Records < 50 {
		t.Fatalf("inspect: %+v, %v", r, err)
	}
	return lookAtHub(t, dir)
}

// lookAtHub opens a directory and reports what is in it, and what it comes to.
func lookAtHub(t *testing.T, dir string) (found oldHub) {
	t.Helper()
	if r, err := Inspect(dir); err != nil || len(r.Damage) > 0 {
		t.Fatalf("inspect: %+v, %v", r, err)
	}
	hub, err := Open(dir, Clock(clockAt(madeAt.Add(time.Minute))), MustExist())
	if err != nil {
		t.Fatal(err)
	}
	found.Partitions = hub.Partitions()
	found.AtRest = describeHub(t, hub, true)
	hub.Kill()
	hub, err = Open(dir, Clock(clockAt(madeAt.AddDate(1, 0, 0))), Serve(oldCode(true)...), CheckReplay())
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Kill()
	letGo(t, hub, found.AtRest)
	found.Finally = describeHub(t, hub, false)
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := Inspect(dir); err != nil || len(r.Damage) > 0 || !r.Closed {
		t.Errorf("inspect at the end: %+v, %v", r, err)
	}
	return found
}

// letGo raises what is waited for, and waits for all ends.
func letGo(t *testing.T, hub *Hub, instances []oldInstance) {
	t.Helper()
	ctx := t.Context()
	if err := hub.Engine().Resume(ctx, "suspended", "go on"); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, i := range instances {
		if i.SetAside != "" {
			if err := hub.Engine().Rewind(ctx, i.ID, "mended"); err != nil {
				t.Fatal(err)
			}
		}
		if !model.IsEntity(i.ID) {
			ids = append(ids, i.ID)
		}
	}
	for _, id := range ids {
		if _, err := hub.Engine().Wait(ctx, id, engine.UntilStarted, engine.GetOptions{}); err != nil {
			t.Fatalf("wait for %s: %v", id, err)
		}
		i, err := hub.Engine().Get(ctx, id, engine.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !i.Status.Ended() && slices.Contains([]string{oldWaits.Name(), oldLocks.Name(), oldAgain.Name()}, i.Name) {
			if err := oldGo.Raise(ctx, hub, id, "go on"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, id := range ids {
		if _, err := hub.Engine().Wait(ctx, id, engine.UntilEnded, engine.GetOptions{}); err != nil {
			t.Fatalf("wait for %s: %v", id, err)
		}
	}
	quiet(t, hub)
}

// describeHub describes all instances of a hub, in order.
func describeHub(t *testing.T, hub *Hub, histories bool) (list []oldInstance) {
	t.Helper()
	for _, entities := range []bool{false, true} {
		q := engine.Query{Entities: entities, PageSize: 7, GetOptions: engine.GetOptions{Payloads: true}}
		for {
			page, err := hub.Engine().Query(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range page.Instances {
				list = append(list, describeInstance(t, hub, i, histories && !entities))
			}
			if q.Token = page.Token; q.Token == "" {
				break
			}
		}
	}
	slices.SortFunc(list, func(a, b oldInstance) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func describeInstance(t *testing.T, hub *Hub, i *model.Instance, history bool) oldInstance {
	t.Helper()
	o := oldInstance{ID: i.ID, Name: i.Name, Status: i.Status.String(), Output: string(i.Output), Custom: string(i.CustomStatus), Tags: i.Tags}
	if i.Failure != nil {
		o.Failure = i.Failure.Type + ": " + i.Failure.Message
	}
	if i.Entity != nil {
		o.State, o.LockedBy = string(i.Entity.State), i.Entity.LockedBy
	}
	if now, err := hub.Engine().Get(t.Context(), i.ID, engine.GetOptions{Waits: true}); err != nil {
		t.Fatal(err)
	} else if q := now.Waits; q != nil && q.Quarantine != nil {
		o.SetAside, o.Held = q.Quarantine.Message, q.Messages
	}
	if !history {
		return o
	}
	events, err := hub.Engine().History(t.Context(), i.ID)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(model.AppendEvents(nil, events, 0))
	o.Events, o.History = len(events), hex.EncodeToString(sum[:])
	return o
}

func writeOld(t *testing.T, name string, h oldHub) {
	t.Helper()
	data, err := json.MarshalIndent(h, "", "  ")
	if err == nil {
		err = os.WriteFile(name, append(data, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestHubFileSaysTheSameToProgramsThatKnowNoNote reads a hub file as the programs did
// that wrote format 2 before there was a note that log and store are there.
func TestHubFileSaysTheSameToProgramsThatKnowNoNote(t *testing.T) {
	dir := t.TempDir()
	hub, err := Open(dir, Partitions(3))
	if err != nil {
		t.Fatal(err)
	}
	hub.Kill()
	data, err := os.ReadFile(filepath.Join(dir, hubName))
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Format     int
		Hub        string
		Partitions int
		Lineage    string
		Check      string
		Created    string
	}
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	sum := crc32.Checksum(fmt.Appendf(nil, "%d %s %d %s", f.Format, f.Hub, f.Partitions, f.Lineage), crc32.MakeTable(crc32.Castagnoli))
	if f.Format != 2 || f.Partitions != 3 || f.Check != fmt.Sprintf("%08x", sum) || f.Created == "" || f.Created == f.Check {
		t.Errorf("%s", data)
	}
}
