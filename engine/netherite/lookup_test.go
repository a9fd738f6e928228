package netherite_test

import (
	"testing"

	"github.com/netherite-go/netherite/engine"
)

// A start looks in the store whether its ID is taken, unless the engine has just
// made the ID up: asking for what is not there is dear.
func TestOnlyIDsOfCallersAreLookedUp(t *testing.T) {
	e := openHub(t, newMemory(1))
	for _, tt := range []struct {
		request engine.StartRequest
		loads   int64
	}{
		{engine.StartRequest{Name: "N"}, 0},
		{engine.StartRequest{Name: "N", Instance: "mine"}, 1},
		{engine.StartRequest{Name: "N", Key: "again"}, 1}, // the same ID for every repetition
	} {
		before := e.Stats().Loads
		if _, err := e.Start(t.Context(), tt.request); err != nil {
			t.Fatal(err)
		}
		if got := e.Stats().Loads - before; got != tt.loads {
			t.Errorf("%+v: %d lookups, want %d", tt.request, got, tt.loads)
		}
	}
}

func TestIDsThatTheHubMakesUpAreInTheOrderOfTheirCreation(t *testing.T) {
	e := openHub(t, newMemory(2))
	var last string
	for range 50 {
		s, err := e.Start(t.Context(), engine.StartRequest{Name: "X"})
		if err != nil {
			t.Fatal(err)
		}
		const millis = 12 // hex digits
		if len(s.Instance) != 32 || s.Instance == last || last != "" && s.Instance[:millis] < last[:millis] {
			t.Fatalf("%s follows %s", s.Instance, last)
		}
		last = s.Instance
	}
}
