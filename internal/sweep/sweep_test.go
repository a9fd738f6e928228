package sweep_test

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/netherite-go/netherite/substrate/faultfs"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(remains...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// The environment says how much of the sweep is run. Without it, a sample.
const (
	// sweepVariable is "full" for a crash after every operation of a longer workload,
	// and one or two of each recovery; "double" for more of those.
	sweepVariable = "NETHERITE_SWEEP"
	// seedVariable is the first seed, default 1, seedsVariable how many to run,
	// default 1.
	seedVariable  = "NETHERITE_SWEEP_SEED"
	seedsVariable = "NETHERITE_SWEEP_SEEDS"
)

// fromEnvironment returns the sweeps of a workload that are asked for.
func fromEnvironment(t *testing.T, of *scenario) (all []*sweep) {
	t.Helper()
	rounds, points, nested := 1, 0.1, of.nested/2
	switch how := os.Getenv(sweepVariable); how {
	case "":
	case "full":
		rounds, points, nested = 3, 1, of.nested
	case "double":
		rounds, points, nested = 2, 1, 0.3
	default:
		t.Fatalf("%s=%q, want full or double", sweepVariable, how)
	}
	first := number(t, seedVariable)
	for i := range number(t, seedsVariable) {
		all = append(all, &sweep{scenario: of, seed: first + i, rounds: rounds, points: points, nested: nested, depth: 2})
	}
	return all
}

func number(t *testing.T, variable string) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return 1
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

func TestCrashAtAnyOperationBreaksNoGuarantee(t *testing.T) {
	for _, of := range scenarios {
		t.Run(of.name, func(t *testing.T) {
			for _, s := range fromEnvironment(t, of) {
				if err := s.run(); err != nil {
					t.Fatalf("seed %d: %v", s.seed, err)
				}
				t.Logf("seed %d: %v", s.seed, s)
				s.isEnough(t)
			}
		})
	}
}

func (s *sweep) isEnough(t *testing.T) {
	t.Helper()
	if s.operations < 300 || s.recoveries < 100 || s.nestedRuns < 10 || s.repeated < 5 {
		t.Errorf("that is too little: %v", s)
	}
	for _, k := range []faultfs.Kind{faultfs.OpCreate, faultfs.OpRename, faultfs.OpRemove, faultfs.OpWrite, faultfs.OpSync, faultfs.OpSyncDir} {
		if s.kinds[k] == 0 {
			t.Errorf("there was no %s", k)
		}
	}
}

// TestSweepCatchesAMissingSync removes one kind of sync after the other.
func TestSweepCatchesAMissingSync(t *testing.T) {
	isSync := func(of func(name string) bool) func(faultfs.Op) bool {
		return func(op faultfs.Op) bool { return op.Kind == faultfs.OpSync && of(op.Path) }
	}
	isSyncDir := func(name string) func(faultfs.Op) bool {
		return func(op faultfs.Op) bool { return op.Kind == faultfs.OpSyncDir && op.Path == name }
	}
	mixed, trouble := scenarios[0], scenarios[1]
	for name, missing := range map[string]struct {
		of  *scenario
		lie func(faultfs.Op) bool
	}{
		"Log":           {mixed, isSync(func(name string) bool { return strings.HasSuffix(name, ".log") })},
		"LogDirectory":  {mixed, isSyncDir(path.Join(dir, "log"))},
		"Store":         {mixed, isSync(func(name string) bool { return strings.Contains(name, "/store/main/") })},
		"History":       {mixed, isSync(func(name string) bool { return strings.Contains(name, "/store/history/") })},
		"Tables":        {mixed, isSync(func(name string) bool { return strings.HasSuffix(name, ".sst") })},
		"HubDirectory":  {mixed, isSyncDir(dir)},
		"HubsDirectory": {mixed, isSyncDir(path.Dir(dir))},
		"SideFile":      {trouble, isSync(func(name string) bool { return strings.Contains(name, "/side/") })},
		"SideDirectory": {trouble, isSyncDir(path.Join(dir, "side"))},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sweep{scenario: missing.of, seed: 1, rounds: 1, points: 0.3, depth: 1, lie: missing.lie}
			if err := s.run(); !errors.Is(err, errBroken) {
				t.Fatalf("the sweep found nothing wrong: %v; %v", err, s)
			} else {
				t.Log(err)
			}
		})
	}
}
