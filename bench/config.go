package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Config says what to run and how.
type Config struct {
	Workload   string
	Clients    int           // of a closed loop
	Duration   time.Duration // of the window
	Count      int           // operations, instead of a duration; 0: by duration
	Warmup     time.Duration
	Rate       float64 // operations started a second, open loop; 0: closed loop
	Preload    int     // ended instances to put into the hub first
	Partitions int
	Memory     int    // the hub's memory limit, in MiB; 0: the engine's default
	Release    string // node, partition or conservative
	Dir        string
	Reuse      bool // Dir may hold a hub already
	Version    string
	// Profile, if not empty, is what to record of the window, see Profiles, and
	// ProfileFile where: for go tool pprof, or go tool trace.
	Profile     string
	ProfileFile string
	// Connect, if not nil, starts a server, with its data in Dir, and a worker, in
	// processes of their own, and connects to it. Home is then the hub's directory
	// within Dir.
	Connect func(context.Context, *Config) (*Served, error)
	Home    string
	// SkipProbe leaves unmeasured what is measured before the window: the speed of
	// the disk, of the processors, of a lone event. It takes a few seconds.
	SkipProbe bool
	// Phase, if not nil, is told what begins: the preload, the warm-up, the window,
	// the checks.
	Phase func(what string)
	// Progress, if not nil, is told how far the run is, in operations; total is
	// 0 when it is not known.
	Progress func(done, total int64)
}

// phase tells what begins.
func (c *Config) phase(format string, args ...any) {
	if c.Phase != nil {
		c.Phase(fmt.Sprintf(format, args...))
	}
}

// length is that of the window, for people.
func (c *Config) length() string {
	if c.Count > 0 {
		return fmt.Sprintf("%d operations", c.Count)
	}
	return c.Duration.String()
}

// minWindow is the shortest window: in less than that nothing may be completed.
const minWindow = 100 * time.Millisecond

// Bounds of Config.Rate.
const (
	minRate = 0.001
	maxRate = 10_000_000
)

// DefaultMemory is Config.Memory if it is not given: the engine's default.
const DefaultMemory = 128

// Bounds of Config.Memory.
const (
	minMemory = 16
	maxMemory = 1 << 20
)

// maxLength bounds the window: longer ones are a mistake, and times
// could not be computed with.
const maxLength = 10_000 * time.Hour

// maxWarmup is longer than any hub needs to come to a steady state.
const maxWarmup = 24 * time.Hour

// DefaultClients is how many clients a workload has if nothing else is said: so
// many that the disk's latency does not count, or as many as processors where
// each operation keeps all of them busy for long.
func DefaultClients(workload string) int {
	if workload == "collision" {
		return runtime.NumCPU()
	}
	return 128
}

// Releases lists the release levels.
func Releases() []string { return []string{"node", "partition", "conservative"} }

// Validate reports what is wrong with a configuration.
func (c *Config) Validate() error {
	w := find(c.Workload)
	switch {
	case w == nil:
		return fmt.Errorf("unknown workload %q: use one of %s", c.Workload, strings.Join(Names(), ", "))
	case c.Clients < 1 || c.Clients > 100_000:
		return fmt.Errorf("--clients %d: 1 to 100,000 are possible", c.Clients)
	case c.Count < 0 || c.Count > 100_000_000:
		return fmt.Errorf("--count %d: 1 to 100,000,000 are possible", c.Count)
	case c.Count == 0 && c.Duration < minWindow:
		return fmt.Errorf("--duration %v: %v to %v are possible", c.Duration, minWindow, maxLength)
	case c.Duration < 0:
		return fmt.Errorf("--duration %v: it cannot be negative", c.Duration)
	case c.Duration > maxLength:
		return fmt.Errorf("--duration %v: at most %v are possible", c.Duration, maxLength)
	case c.Warmup < 0 || c.Warmup > maxWarmup:
		return fmt.Errorf("--warmup %v: 0s to %v are possible", c.Warmup, maxWarmup)
	case c.Rate != 0 && !(c.Rate >= minRate && c.Rate <= maxRate): // also refuses what is no number
		return fmt.Errorf("--rate %v: 0 (closed loop), or %v to 10,000,000 a second are possible", c.Rate, minRate)
	case c.Rate > 0 && w.once:
		return fmt.Errorf("--rate: %s is one computation, not a stream of operations", w.name)
	case c.Rate > 0 && float64(c.Count)/c.Rate > maxLength.Seconds():
		return fmt.Errorf("--rate %v with --count %d takes longer than %v: give a higher rate, or fewer operations", c.Rate, c.Count, maxLength)
	case w.once && c.Clients != 1:
		return fmt.Errorf("--clients %d: %s is one computation at a time, leave --clients out", c.Clients, w.name)
	case c.Preload < 0 || c.Preload > 100_000_000:
		return fmt.Errorf("--preload %d: 0 to 100,000,000 are possible", c.Preload)
	case c.Partitions < 1 || c.Partitions > 256:
		return fmt.Errorf("--partitions %d: 1 to 256 are possible", c.Partitions)
	case c.Memory != 0 && (c.Memory < minMemory || c.Memory > maxMemory):
		return fmt.Errorf("--memory %d: %d to %d MiB are possible", c.Memory, minMemory, maxMemory)
	case c.Profile == "" && c.ProfileFile != "":
		return fmt.Errorf("--profile-file %s without --profile: say what to record, --profile %s", c.ProfileFile, strings.Join(Profiles(), ", "))
	case c.Profile != "" && !slices.Contains(Profiles(), c.Profile):
		return fmt.Errorf("--profile %q: use one of %s", c.Profile, strings.Join(Profiles(), ", "))
	case !slices.Contains(Releases(), c.Release):
		return fmt.Errorf("--release %q: use one of %s", c.Release, strings.Join(Releases(), ", "))
	}
	return nil
}
