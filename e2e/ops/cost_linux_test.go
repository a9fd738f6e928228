package ops_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

// procFigure reads a line "name: N" of a file of a process.
func procFigure(t *testing.T, pid int, file, name string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("/proc/PID/%s has no %s", file, name)
	return 0
}

func TestDevInMemoryWritesNothing(t *testing.T) {
	dirs := map[string]string{"HOME": t.TempDir(), "TMPDIR": t.TempDir(), "XDG_CACHE_HOME": t.TempDir(), "": t.TempDir()}
	p := &process{t: t, cmd: exec.Command(sdktest.Binary(t), append([]string{"dev", "--memory"}, loopback...)...)}
	p.cmd.Dir = dirs[""]
	for name, dir := range dirs {
		if name != "" {
			p.cmd.Env = append(p.cmd.Env, name+"="+dir)
		}
	}
	p.run()
	api := ""
	for _, line := range p.out {
		if rest, ok := strings.CutPrefix(line, "HTTP API:"); ok {
			api = strings.TrimSpace(rest)
		}
	}
	for i := range 50 {
		if code, text := ask(t, "POST", fmt.Sprintf("%s/orchestrators/Nobody/i%d", api, i), `"payload"`); code != 202 {
			t.Fatalf("start answers %d %s", code, text)
		}
	}
	pid := p.cmd.Process.Pid
	if n := procFigure(t, pid, "io", "write_bytes"); n != 0 {
		t.Errorf("%d bytes went to a disk", n)
	}
	p.signal(syscall.SIGTERM, "")
	if code := p.end(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
	for name, dir := range dirs {
		if found, err := os.ReadDir(dir); err != nil || len(found) != 0 {
			t.Errorf("%s (%s) holds %v, %v", dir, name, found, err)
		}
	}
}

// The bars of the server. Other programs run on the machine of a test: the best of
// some starts counts.
const (
	startBar = 300 * time.Millisecond
	idleBar  = 40 << 20 // resident bytes
	hubBar   = 1 << 20  // more of them for each idle hub
	starts   = 8
	manyHubs = 24
)

// idle waits until the memory of a server, in kB, is no longer changing: garbage
// of its start has gone.
func idle(t *testing.T, p *process, name string) int64 {
	t.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last int64
	for same, n := 0, 0; same < 4 && n < 40; n++ {
		<-tick.C
		now := procFigure(t, p.cmd.Process.Pid, "status", name)
		if same++; max(now-last, last-now) > 64 || n < settled {
			same = 0
		}
		last = now
	}
	return last
}

// settled is how many seconds after its start a server gives back the memory that
// its first checkpoints have needed, and a little.
const settled = 17

func TestAServerStartsAtOnceAndTakesLittleMemory(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	must(t, "hub", "create", "default", "--data", data)
	args := append([]string{"server", "--data", data}, loopback...)
	best := time.Hour
	for range starts {
		began := time.Now()
		p := startIn(t, replaycheck.Without(), args...)
		best = min(best, time.Since(began))
		p.signal(syscall.SIGTERM, "")
		if code := p.end(); code != 0 {
			t.Fatalf("the server ends with %d", code)
		}
	}
	p := startIn(t, replaycheck.Without(), args...)
	rss := idle(t, p, "VmRSS") << 10
	t.Logf("ready after %v, best of %d; idle: %d bytes resident", best, starts, rss)
	if best > startBar {
		t.Errorf("ready after %v, want at most %v", best, startBar)
	}
	if rss > idleBar {
		t.Errorf("%d bytes are resident, want at most %d", rss, idleBar)
	}
}

func TestAnIdleHubTakesLessThanAMegabyteAndNoDisk(t *testing.T) {
	t.Parallel()
	var memory [2]int64
	for i, n := range []int{1, 1 + manyHubs} {
		data := filepath.Join(t.TempDir(), "data")
		p := startIn(t, replaycheck.Without(), append([]string{"server", "--data", data}, loopback...)...)
		for h := range n {
			must(t, "hub", "create", fmt.Sprintf("h%d", h), "--server", p.place.GRPC[0])
		}
		p.signal(syscall.SIGTERM, "")
		p.end()
		p = startIn(t, replaycheck.Without(), append([]string{"server", "--data", data}, loopback...)...)
		memory[i] = idle(t, p, "RssAnon") << 10
		if n == 1 {
			continue
		}
		before := procFigure(t, p.cmd.Process.Pid, "io", "write_bytes") + procFigure(t, p.cmd.Process.Pid, "io", "read_bytes")
		idle(t, p, "RssAnon")
		after := procFigure(t, p.cmd.Process.Pid, "io", "write_bytes") + procFigure(t, p.cmd.Process.Pid, "io", "read_bytes")
		if after != before {
			t.Errorf("%d idle hubs have read and written %d bytes of disks", n, after-before)
		}
	}
	each := (memory[1] - memory[0]) / manyHubs
	t.Logf("an idle hub takes %d bytes", each)
	if each > hubBar {
		t.Errorf("an idle hub takes %d bytes, want at most %d", each, hubBar)
	}
}
