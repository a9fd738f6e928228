package netherite_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/netherite-go/netherite/internal/replaycheck"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

func TestMain(m *testing.M) {
	replaycheck.InTests()
	goleak.VerifyTestMain(m)
}

var (
	greet = durable.Activity("Greet", func(_ context.Context, city string) (string, error) { return "Hello " + city + "!", nil })
	tour  = durable.Orchestration("Tour", func(ctx *durable.Context, cities []string) ([]string, error) {
		calls := make([]*durable.Future[string], len(cities))
		for i, c := range cities {
			calls[i] = greet.Call(ctx, c)
		}
		return durable.All(ctx, calls...)
	})
)

func open(t testing.TB, dir string, opts ...netherite.Option) *netherite.Hub {
	t.Helper()
	hub, err := netherite.Open(dir, append([]netherite.Option{netherite.Serve(greet, tour), netherite.CheckReplay()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hub.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return hub
}

func visit(t testing.TB, hub durable.Hub, opts ...durable.StartOption) {
	t.Helper()
	run, err := tour.Start(t.Context(), hub, []string{"Tokyo", "Seattle"}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := run.Wait(t.Context())
	if err != nil || strings.Join(got, " ") != "Hello Tokyo! Hello Seattle!" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestHubInADirectorySurvivesCloseAndCrash(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet")
	if there, err := netherite.Exists(dir); there || err != nil {
		t.Error("a hub exists before it was created", err)
	}
	hub := open(t, dir, netherite.Partitions(3))
	visit(t, hub, durable.ID("first"))
	if there, err := netherite.Exists(dir); !there || err != nil {
		t.Error("no hub after it was created", err)
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, err := tour.Start(t.Context(), hub, nil); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("start after close: %v", err)
	}
	hub = open(t, dir)
	if hub.Partitions() != 3 {
		t.Errorf("%d partitions", hub.Partitions())
	}
	if s := hub.Stats(); s.Replayed != 0 {
		t.Errorf("a clean reopen replayed %d records", s.Replayed)
	}
	visit(t, hub, durable.ID("second"))
	hub.Kill()
	hub = open(t, dir)
	for _, id := range []string{"first", "second"} {
		if got, err := tour.Attach(hub, id).Wait(t.Context()); err != nil || len(got) != 2 {
			t.Errorf("%s after a crash: %v, %v", id, got, err)
		}
	}
}

func TestSecondOpenNamesTheHolder(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	_, err := netherite.Open(dir)
	if !errors.Is(err, engine.ErrHeld) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("second open: %v", err)
	}
	if _, err := netherite.Inspect(dir); !errors.Is(err, engine.ErrHeld) {
		t.Errorf("inspect: %v", err)
	}
}

func TestDirectoriesThatAreNoHubAreRefused(t *testing.T) {
	write := func(content string) func(dir string) {
		return func(dir string) {
			if err := os.WriteFile(filepath.Join(dir, "hub"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	id := strings.Repeat("ab", 16)
	for name, c := range map[string]struct {
		prepare func(dir string)
		opts    []netherite.Option
		want    error
	}{
		"other files": {func(dir string) {
			if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil, engine.ErrForeign},
		"empty":                    {func(string) {}, []netherite.Option{netherite.MustExist()}, engine.ErrForeign},
		"garbage":                  {write("not json"), nil, engine.ErrDamaged},
		"no identity":              {write(`{"format":1,"partitions":8}`), nil, engine.ErrDamaged},
		"newer":                    {write(`{"format":99,"hub":"` + id + `","partitions":8}`), nil, engine.ErrNewerFormat},
		"other partitions":         {write(`{"format":1,"hub":"` + id + `","partitions":8}`), []netherite.Option{netherite.Partitions(4)}, engine.ErrInvalid},
		"many partitions":          {func(string) {}, []netherite.Option{netherite.Partitions(257)}, engine.ErrInvalid},
		"little memory":            {func(string) {}, []netherite.Option{netherite.Memory(1)}, engine.ErrInvalid},
		"payloads too big":         {func(string) {}, []netherite.Option{netherite.PayloadLimit(1 << 30)}, engine.ErrInvalid},
		"newer, with other fields": {write(`{"hub":7,"partitions":"8","format":99}`), nil, engine.ErrNewerFormat},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.prepare(dir)
			hub, err := netherite.Open(dir, c.opts...)
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if err == nil {
				t.Error(hub.Close(t.Context()))
			}
		})
	}
}

func TestHubOfAnotherDirectoryIsForeign(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for _, dir := range []string{a, b} {
		hub := open(t, dir)
		visit(t, hub)
		if err := hub.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(b, "log")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(a, "log"), filepath.Join(b, "log")); err != nil {
		t.Fatal(err)
	}
	hub, err := netherite.Open(b)
	if !errors.Is(err, engine.ErrForeign) {
		t.Errorf("log of another hub: %v", err)
	}
	if err == nil {
		t.Error(hub.Close(t.Context()))
	}
}

func TestCodeThatIsIncompleteKeepsTheHubClosed(t *testing.T) {
	dir := t.TempDir()
	if _, err := netherite.Open(dir, netherite.Serve(greet, greet)); err == nil {
		t.Error("the same activity twice was accepted")
	}
	open(t, dir) // not held
}

func TestNilOptionOrHandlerKeepsTheHubClosed(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		opts []netherite.Option
		want string
	}{
		{[]netherite.Option{netherite.Partitions(2), nil}, "option 2 of 2 is nil"},
		{[]netherite.Option{netherite.Worker(nil)}, "Worker was given no function"},
		{[]netherite.Option{netherite.Serve(greet, nil)}, "handler 2 of 2 is nil"},
		{[]netherite.Option{netherite.Serve((*durable.ActivityOf[string, string])(nil))}, "handler 1 of 1: the activity is nil"},
	} {
		if _, err := netherite.Open(dir, tt.opts...); !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
	open(t, dir) // not held
}

func TestLargeInputNeedsALargerLimit(t *testing.T) {
	big := []string{strings.Repeat("x", 5<<20)}
	if _, err := tour.Start(t.Context(), open(t, t.TempDir()), big); !errors.Is(err, engine.ErrTooLarge) {
		t.Errorf("default limit: %v", err)
	}
	run, err := tour.Start(t.Context(), open(t, t.TempDir(), netherite.PayloadLimit(12<<20)), big)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := run.Wait(t.Context()); err != nil || len(got[0]) < 5<<20 {
		t.Errorf("%d results, %v", len(got), err)
	}
}

func TestHubInMemoryWritesNothing(t *testing.T) {
	dir := t.TempDir()
	hub := open(t, dir, netherite.InMemory())
	visit(t, hub)
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("%v, %v", files, err)
	}
}

func TestPowerFailureLosesNothingAcknowledged(t *testing.T) {
	fs := faultfs.New()
	for round := range 5 {
		hub, err := netherite.Open("/hub", netherite.Serve(greet, tour), netherite.Files(fs), netherite.CheckReplay())
		if err != nil {
			t.Fatal(err)
		}
		for n := range round {
			if got, err := tour.Attach(hub, fmt.Sprint("tour-", n)).Wait(t.Context()); err != nil || len(got) != 2 {
				t.Errorf("round %d, tour %d: %v, %v", round, n, got, err)
			}
		}
		if _, err := tour.Start(t.Context(), hub, []string{"a", "b"}, durable.ID(fmt.Sprint("tour-", round))); err != nil {
			t.Fatal(err)
		}
		after := fs.CrashClone(faultfs.Crash{}) // what a power failure now would leave
		hub.Kill()
		fs = after
	}
}

// However many directories have to be made for a hub, what it acknowledged is found
// after a power failure.
func TestHubInNewDirectoriesSurvivesAPowerFailure(t *testing.T) {
	for _, dir := range []string{"/hub", "/srv/hub", "/var/lib/hubs/hub"} {
		fs := faultfs.New()
		hub, err := netherite.Open(dir, netherite.Files(fs))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tour.Start(t.Context(), hub, nil, durable.ID("tour")); err != nil {
			t.Fatal(err)
		}
		fs = fs.CrashClone(faultfs.Crash{})
		hub.Kill()
		if hub, err = netherite.Open(dir, netherite.Files(fs)); err != nil {
			t.Fatal(err)
		}
		if _, err := hub.Engine().Get(t.Context(), "tour", engine.GetOptions{}); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
		hub.Kill()
	}
}

func TestInspectReportsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	hub := open(t, dir, netherite.Partitions(2))
	visit(t, hub)
	hub.Kill()
	r, err := netherite.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if r.Partitions != 2 || r.Records == 0 || len(r.Damage) > 0 || r.Pending[0]+r.Pending[1] == 0 {
		t.Errorf("after a crash: %+v", r)
	}
	hub = open(t, dir)
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err = netherite.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Closed || len(r.Damage) > 0 || r.Pending[0]+r.Pending[1] > 0 || r.Checkpoints != 2 {
		t.Errorf("after a close: %+v", r)
	}
}

// fingerprint describes all files of a directory: names, sizes, times and bytes.
func fingerprint(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		var data []byte
		if info.Mode().IsRegular() {
			if data, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		all[path] = fmt.Sprintf("%v %d %v %x", info.Mode(), info.Size(), info.ModTime(), sha256.Sum256(data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestInspectChangesNothing(t *testing.T) {
	dir := t.TempDir()
	hub := open(t, dir, netherite.Partitions(2))
	visit(t, hub)
	if err := hub.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	visit(t, hub)
	hub.Kill() // leaves as much as a crash does
	before := fingerprint(t, dir)
	for range 2 {
		if r, err := netherite.Inspect(dir); err != nil || len(r.Damage) > 0 || r.Checkpoints != 2 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	after := fingerprint(t, dir)
	for path := range before {
		if after[path] != before[path] {
			t.Errorf("%s was %s, is %s", path, before[path], after[path])
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files, before %d", len(after), len(before))
	}
}

// waiting is a hub in a directory in which an orchestration, "w", waits for an activity.
func waiting(t *testing.T, slow *durable.ActivityOf[string, string]) (dir string, hub *netherite.Hub, wait *durable.OrchestrationOf[string, string]) {
	t.Helper()
	wait = durable.Orchestration("Wait", func(ctx *durable.Context, in string) (string, error) { return slow.Call(ctx, in).Await() })
	dir = t.TempDir()
	hub = open(t, dir, netherite.Serve(slow, wait))
	if _, err := wait.Start(t.Context(), hub, "", durable.ID("w")); err != nil {
		t.Fatal(err)
	}
	return dir, hub, wait
}

func TestActivityThatOutlivesClosesContextRunsAgain(t *testing.T) {
	var runs atomic.Int64
	began := make(chan struct{})
	slow := durable.Activity("Slow", func(ctx context.Context, _ string) (string, error) {
		if runs.Add(1) > 1 {
			return "second run", nil
		}
		close(began)
		<-ctx.Done()
		return "", ctx.Err()
	})
	dir, hub, wait := waiting(t, slow)
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := hub.Close(ctx); err != nil {
		t.Fatal(err)
	}
	hub = open(t, dir, netherite.Serve(slow, wait))
	if got, err := wait.Attach(hub, "w").Wait(t.Context()); err != nil || got != "second run" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAHubThatDrainsTakesResultsAndBeginsNothing(t *testing.T) {
	var runs atomic.Int64
	began, release := make(chan struct{}), make(chan struct{})
	slow := durable.Activity("Slow", func(context.Context, string) (string, error) {
		if runs.Add(1) == 1 {
			close(began)
			<-release
		}
		return "done", nil
	})
	dir, hub, wait := waiting(t, slow)
	<-began
	short, cancel := context.WithCancel(t.Context())
	cancel()
	if err := hub.Engine().(interface{ Drain(context.Context) error }).Drain(short); !errors.Is(err, context.Canceled) {
		t.Errorf("an activity runs, and the drain says %v", err)
	}
	drained := make(chan error, 1)
	go func() { drained <- hub.Drain(t.Context()) }()
	if _, err := wait.Start(t.Context(), hub, "", durable.ID("later")); err != nil {
		t.Errorf("a call is refused: %v", err)
	}
	close(release)
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if i, err := hub.Engine().Get(t.Context(), "w", engine.GetOptions{}); err != nil || i.Status.Ended() {
		t.Errorf("a step has run: %+v, %v", i, err)
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	hub = open(t, dir, netherite.Serve(slow, wait))
	for _, id := range []string{"w", "later"} {
		if got, err := wait.Attach(hub, id).Wait(t.Context()); err != nil || got != "done" {
			t.Errorf("%s: %q, %v", id, got, err)
		}
	}
	if n := runs.Load(); n != 2 {
		t.Errorf("activities of two orchestrations ran %d times", n)
	}
}

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	for name, o := range map[string]netherite.Option{
		"partitions": netherite.Partitions(257), "negative partitions": netherite.Partitions(-1), "memory": netherite.Memory(1),
		"payload": netherite.PayloadLimit(-1), "large payload": netherite.PayloadLimit(17 << 20), "release": netherite.ReleaseLevel(9),
		"checkpoint bytes": netherite.CheckpointEvery(-1, 0), "checkpoint records": netherite.CheckpointEvery(0, -1),
		"segments": netherite.LogSegments(-1, 0), "segments that shrink": netherite.LogSegments(1<<20, 1<<19),
		"steps": netherite.Concurrency(-1, 0), "activities": netherite.Concurrency(0, -1),
	} {
		hub, err := netherite.Open("", netherite.InMemory(), o)
		if err == nil {
			err = hub.Close(t.Context())
			t.Errorf("%s: taken, %v", name, err)
		} else if !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
