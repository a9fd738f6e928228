package worker

import (
	"strings"
	"testing"
)

// brittle is a state type whose own code panics.
type brittle struct{ EntityType }

func (brittle) Decode([]byte) (any, error) { panic("no decoding") }
func (brittle) Encode(any) ([]byte, error) { panic("no encoding") }
func (brittle) Copy(any, any) any          { panic("no copy") }

func TestPanicsOfAStateTypeAreErrors(t *testing.T) {
	g := guarded{EntityType: brittle{}}
	_, decode := g.Decode(nil)
	_, encode := g.Encode(nil)
	_, copied := g.tryCopy(nil, nil)
	for want, err := range map[string]error{"no decoding": decode, "no encoding": encode, "no copy": copied} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected one that says %q", err, want)
		}
	}
}
