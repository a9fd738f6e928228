package metamorphic_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// scriptsVariable says how many scripts to play, default 3.
	scriptsVariable = "NETHERITE_METAMORPHIC_SCRIPTS"
	// randomVariable says in how many random settings to play each beside the fixed
	// ones, default none.
	randomVariable = "NETHERITE_METAMORPHIC_RANDOM"
	// seedVariable is the seed of the first script, default 1.
	seedVariable = "NETHERITE_METAMORPHIC_SEED"
)

const lines = 60

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

func TestOptionsMakeNoDifference(t *testing.T) {
	first := number(t, seedVariable, 1)
	for seed := first; seed < first+number(t, scriptsVariable, 3); seed++ {
		all := settings
		rng := rand.New(rand.NewPCG(seed, 23))
		for range number(t, randomVariable, 0) {
			all = append(all, randomSetting(rng, lines))
		}
		if err := agree(t.Context(), newScript(seed, lines), all); err != nil {
			t.Fatalf("script %d: %v", seed, err)
		}
	}
}

// patience is how long one script may take in one setting.
const patience = 10 * time.Minute

// agree plays a script in all settings and returns the first difference to the
// first of them.
func agree(ctx context.Context, script []operation, all []setting) error {
	said, errs := make([][]string, len(all)), make([]error, len(all))
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			said[i], errs[i] = s.play(ctx, script)
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("%s: %w", all[i].name, err)
		}
	}
	for i := range all {
		if err := same(said[0], said[i]); err != nil {
			return fmt.Errorf("%s differs from %s: %w", all[i].name, all[0].name, err)
		}
	}
	return nil
}

func same(a, b []string) error {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return fmt.Errorf("there is also\n\t%s", b[i])
		case i >= len(b):
			return fmt.Errorf("there is not\n\t%s", a[i])
		case a[i] != b[i]:
			return fmt.Errorf("one says\n\t%s\nthe other\n\t%s", a[i], b[i])
		}
	}
	return nil
}

// Two scripts that differ in one word do not agree.
func TestADifferenceIsFound(t *testing.T) {
	script := []operation{{do: "start", id: "o1", kind: "listener", number: 1}, {do: "raise", id: "o1", number: 1}}
	one, err := settings[0].play(t.Context(), script)
	if err != nil {
		t.Fatal(err)
	}
	script[1].number = 2
	other, err := settings[0].play(t.Context(), script)
	if err != nil {
		t.Fatal(err)
	}
	err = same(one[2:], other[2:])
	if err == nil || !strings.Contains(err.Error(), "EventRaised") {
		t.Errorf("%v", err)
	}
}
