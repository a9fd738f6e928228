package netherite_test

import (
	"testing"

	"github.com/netherite-go/netherite/engine"
)

// Who starts an instance may use the map of its tags again, while the instance
// lives in another goroutine.
func TestTagsOfAStartAreTheCallersAgain(t *testing.T) {
	e := openHub(t, newMemory(1))
	tags := map[string]string{"n": "first"}
	for _, id := range []string{"first", "second"} {
		tags["n"] = id
		if _, err := e.Start(t.Context(), engine.StartRequest{Instance: id, Name: "X", Tags: tags}); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"first", "second"} {
		if i, err := e.Get(t.Context(), id, engine.GetOptions{}); err != nil || i.Tags["n"] != id {
			t.Errorf("%s: %v, %v", id, i.Tags, err)
		}
	}
}
