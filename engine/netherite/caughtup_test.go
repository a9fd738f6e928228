package netherite_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate/mem"
)

func TestCheckpointIsCompleteWhenEveryPartitionIsInTheStore(t *testing.T) {
	e := openHub(t, newMemory(4), func(o *netherite.Options) { o.Checkpoint.Idle = time.Hour })
	for round := range 3 {
		start(t, e, fmt.Sprint("X", round), 40)
		before := e.Stats()
		if before.Checkpoints != int64(round*4) {
			t.Fatalf("round %d: %d checkpoints before any is due", round, before.Checkpoints)
		}
		if err := e.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := e.Stats(); after.CaughtUp != before.CaughtUp+1 {
			t.Errorf("round %d: %d complete checkpoints, before %d; of single partitions %d", round, after.CaughtUp, before.CaughtUp, after.Checkpoints)
		}
	}
}

func TestLostStoreIsNamed(t *testing.T) {
	storage := newMemory(2)
	for round := range 3 { // until the log has let go of its beginning
		e := openHub(t, storage)
		start(t, e, fmt.Sprint("X", round), 10)
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	storage.store = mem.NewStoreDisk()
	e := openHub(t, storage)
	if _, err := e.Get(t.Context(), "anything", engine.GetOptions{}); err == nil || !strings.Contains(err.Error(), "its stored state is missing") {
		t.Errorf("a hub without its store says %v", err)
	}
}
