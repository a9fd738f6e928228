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

// fromEnvironment returns the sweeps that are asked for.
func fromEnvironment(t *testing.T) (all []*sweep) {
	t.Helper()
	rounds, points, nested := 1, 0.1, 0.01
	switch how := os.Getenv(sweepVariable); how {
	case "":
	case "full":
		rounds, points, nested = 3, 1, 0.02
	case "double":
		rounds, points, nested = 2, 1, 0.3
	default:
		t.Fatalf("%s=%q, want full or double", sweepVariable, how)
	}
	first := number(t, seedVariable)
	for i := range number(t, seedsVariable) {
		all = append(all, &sweep{seed: first + i, rounds: rounds, points: points, nested: nested, depth: 2})
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
	for _, s := range fromEnvironment(t) {
		if err := s.run(); err != nil {
			t.Fatalf("seed %d: %v", s.seed, err)
		}
		t.Logf("seed %d: %v", s.seed, s)
		if s.operations < 300 || s.recoveries < 100 || s.nestedRuns < 10 {
			t.Errorf("that is too little: %v", s)
		}
		for _, k := range []faultfs.Kind{faultfs.OpCreate, faultfs.OpRename, faultfs.OpRemove, faultfs.OpWrite, faultfs.OpSync, faultfs.OpSyncDir} {
			if s.kinds[k] == 0 {
				t.Errorf("there was no %s", k)
			}
		}
	}
}

// TestSweepCatchesAMissingSync removes one kind of sync after the other.
func TestSweepCatchesAMissingSync(t *testing.T) {
	for name, lie := range map[string]func(faultfs.Op) bool{
		"Log":          func(op faultfs.Op) bool { return op.Kind == faultfs.OpSync && strings.HasSuffix(op.Path, ".log") },
		"LogDirectory": func(op faultfs.Op) bool { return op.Kind == faultfs.OpSyncDir && op.Path == path.Join(dir, "log") },
		"Store": func(op faultfs.Op) bool {
			return op.Kind == faultfs.OpSync && strings.Contains(op.Path, "/store/main/")
		},
		"History": func(op faultfs.Op) bool {
			return op.Kind == faultfs.OpSync && strings.Contains(op.Path, "/store/history/")
		},
		"Tables":        func(op faultfs.Op) bool { return op.Kind == faultfs.OpSync && strings.HasSuffix(op.Path, ".sst") },
		"HubDirectory":  func(op faultfs.Op) bool { return op.Kind == faultfs.OpSyncDir && op.Path == dir },
		"HubsDirectory": func(op faultfs.Op) bool { return op.Kind == faultfs.OpSyncDir && op.Path == path.Dir(dir) },
	} {
		t.Run(name, func(t *testing.T) {
			s := &sweep{seed: 1, rounds: 1, points: 0.3, depth: 1, lie: lie}
			if err := s.run(); !errors.Is(err, errBroken) {
				t.Fatalf("the sweep found nothing wrong: %v; %v", err, s)
			} else {
				t.Log(err)
			}
		})
	}
}
