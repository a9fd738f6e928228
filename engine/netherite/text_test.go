package netherite_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
)

// TestTextThatIsNotUTF8IsRefused: names, versions, tags and reasons are text to all who
// are told of them. Payloads are bytes.
func TestTextThatIsNotUTF8IsRefused(t *testing.T) {
	e := openHub(t, newMemory(1), func(*netherite.Options) {})
	if _, err := e.Start(t.Context(), engine.StartRequest{Instance: "x", Name: "X", Input: []byte("\xff")}); err != nil {
		t.Fatal(err)
	}
	start := func(r engine.StartRequest) error {
		_, err := e.Start(t.Context(), r)
		return err
	}
	for name, err := range map[string]error{
		"a name":         start(engine.StartRequest{Name: "X\xff"}),
		"a version":      start(engine.StartRequest{Name: "X", Version: "1\xff"}),
		"a tag":          start(engine.StartRequest{Name: "X", Tags: map[string]string{"a": "\xff"}}),
		"a tag's name":   start(engine.StartRequest{Name: "X", Tags: map[string]string{"\xff": "a"}}),
		"an event":       e.Raise(t.Context(), engine.RaiseRequest{Instance: "x", Event: "\xff"}),
		"an operation":   e.Signal(t.Context(), engine.SignalRequest{Entity: "@a@b", Operation: "\xff"}),
		"of a suspended": e.Suspend(t.Context(), "x", "\xff"),
		"of a resumed":   e.Resume(t.Context(), "x", "\xff"),
		"of a rewound":   e.Rewind(t.Context(), "x", "\xff"),
	} {
		if !errors.Is(err, engine.ErrInvalid) || !strings.Contains(err.Error(), "not UTF-8") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
