package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestProfileIsAFileThatItsToolReads(t *testing.T) {
	begins := map[string][]byte{"cpu": {0x1f, 0x8b}, "mem": {0x1f, 0x8b}, "trace": []byte("go 1.")}
	for _, kind := range Profiles() {
		cfg := Config{
			Workload: "hello5", Clients: 4, Count: 20, Partitions: 1, Release: "node", Dir: t.TempDir(), SkipProbe: true,
			Profile: kind, ProfileFile: filepath.Join(t.TempDir(), "profile"),
		}
		if err := Run(t.Context(), cfg, func(*Result) {}); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if got, err := os.ReadFile(cfg.ProfileFile); err != nil || !bytes.HasPrefix(got, begins[kind]) {
			t.Errorf("%s: %d bytes beginning %.8q (%v)", kind, len(got), got, err)
		}
	}
}

func TestProfileThatCannotBeWrittenFailsTheRun(t *testing.T) {
	cfg := Config{
		Workload: "hello5", Clients: 1, Count: 1, Partitions: 1, Release: "node", Dir: t.TempDir(), SkipProbe: true,
		Profile: "cpu", ProfileFile: filepath.Join(t.TempDir(), "no", "such", "folder"),
	}
	if err := Run(t.Context(), cfg, func(*Result) { t.Error("figures without the profile") }); err == nil {
		t.Error("no error")
	}
	cfg.Profile = "heap"
	if cfg.Validate() == nil {
		t.Error("unknown kinds are taken")
	}
}

func TestProfiledRunDoesNotCount(t *testing.T) {
	r := Result{Check: "ok", Checkpoints: neededCheckpoints}
	r.judge()
	if r.judgeProfile(""); !r.Counts || r.Profile != "" {
		t.Errorf("%+v", r)
	}
	if r.judgeProfile("cpu"); r.Counts || r.Profile != "cpu" || r.WhyNot != "a cpu profile was recorded, which the figures include" {
		t.Errorf("counts %v because %q", r.Counts, r.WhyNot)
	}
}

func TestRunInMemoryDoesNotCount(t *testing.T) {
	for millis, counts := range map[float64]bool{0: false, .001: false, .02: true, .2: true} {
		r := Result{Check: "ok", Checkpoints: neededCheckpoints, FdatasyncP50: millis}
		r.judge()
		if r.judgeDisk(true); r.Counts != counts {
			t.Errorf("fdatasync of %v ms: counts %v because %q", millis, r.Counts, r.WhyNot)
		}
	}
}
