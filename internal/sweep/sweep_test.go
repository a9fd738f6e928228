package sweep_test

import (
	"errors"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/netherite-go/netherite/substrate/faultfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The environment says how much of the sweep is run. Without it, a sample.
const (
	// sweepVariable is "full" for a crash after every operation, and one of each
	// recovery; "double" for one after every tenth of the workload and every
	// fourth of each recovery.
	sweepVariable = "NETHERITE_SWEEP"
	seedVariable  = "NETHERITE_SWEEP_SEED"
)

func fromEnvironment(t *testing.T) *sweep {
	t.Helper()
	s := &sweep{seed: 1, points: 0.05, nested: 0.004, depth: 2}
	switch how := os.Getenv(sweepVariable); how {
	case "":
	case "full":
		s.points = 1
	case "double":
		s.points, s.nested = 0.1, 0.25
	default:
		t.Fatalf("%s=%q, want full or double", sweepVariable, how)
	}
	if text := os.Getenv(seedVariable); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
		s.seed = seed
	}
	return s
}

func TestCrashAtAnyOperationBreaksNoGuarantee(t *testing.T) {
	s := fromEnvironment(t)
	if err := s.run(); err != nil {
		t.Fatalf("seed %d: %v", s.seed, err)
	}
	t.Log(s)
	if s.operations < 300 || s.recoveries < 100 || s.nestedRuns < 10 {
		t.Errorf("that is too little: %v", s)
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
		"HubDirectory":  func(op faultfs.Op) bool { return op.Kind == faultfs.OpSyncDir && op.Path == dir },
		"HubsDirectory": func(op faultfs.Op) bool { return op.Kind == faultfs.OpSyncDir && op.Path == path.Dir(dir) },
	} {
		t.Run(name, func(t *testing.T) {
			s := &sweep{seed: 1, points: 0.2, depth: 1, lie: lie}
			if err := s.run(); !errors.Is(err, errBroken) {
				t.Fatalf("the sweep found nothing wrong: %v; %v", err, s)
			} else {
				t.Log(err)
			}
		})
	}
}
