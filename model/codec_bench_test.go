package model

import (
	"testing"

	"github.com/netherite-go/netherite/internal/alloctest"
)

var benchEvents = []struct {
	name  string
	event Event
}{
	{"activity", Event{Kind: TaskScheduled, ID: 3, Time: goldenBase, Name: "SayHello", Payload: []byte(`"a city of 20 bytes"`)}},
	{"activity-call", Event{Kind: TaskScheduled, ID: 3, Time: goldenBase, Name: "SayHello", Payload: []byte(`"a city of 20 bytes"`), Ext: &Ext{Call: 3}}},
	{"result", Event{Kind: TaskCompleted, ID: NoID, Ref: 3, Time: goldenBase, Payload: []byte(`"Hello, city!"`)}},
	{"tags", Event{Kind: TaskScheduled, ID: 3, Time: goldenBase, Name: "SayHello", Ext: &Ext{Tags: map[string]string{"team": "blue", "env": "prod", "app": "shop"}}}},
}

var encodeGroup, decodeGroup = eventGroups()

// eventGroups encode and decode each event; decoding copies what it returns, or
// lets it share an input that it owns.
func eventGroups() (encode, decode alloctest.Group) {
	encode.Name, decode.Name = "EncodeEvent", "DecodeEvent"
	for _, bb := range benchEvents {
		encode.Ops = append(encode.Ops, alloctest.Op{Name: bb.name, Setup: func(testing.TB) func() {
			buf := make([]byte, 0, 256)
			return func() { buf = AppendEvent(buf[:0], &bb.event, goldenBase) }
		}})
		for mode, reader := range []func([]byte) *Reader{NewReader, NewOwnedReader} {
			decode.Ops = append(decode.Ops, alloctest.Op{Name: bb.name + []string{"", "-owned"}[mode], Setup: func(tb testing.TB) func() {
				r, in := reader(nil), AppendEvent(nil, &bb.event, goldenBase)
				return func() {
					r.Reset(in)
					if _, err := DecodeEvent(r, goldenBase); err != nil {
						tb.Fatal(err)
					}
				}
			}})
		}
	}
	return encode, decode
}

func BenchmarkEncodeEvent(b *testing.B) { encodeGroup.Bench(b) }
func BenchmarkDecodeEvent(b *testing.B) { decodeGroup.Bench(b) }

func TestAllocations(t *testing.T) { alloctest.Check(t, encodeGroup, decodeGroup) }
