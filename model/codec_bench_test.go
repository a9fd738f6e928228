package model

import "testing"

var benchEvents = []struct {
	name  string
	event Event
}{
	{"task", Event{Kind: TaskScheduled, ID: 3, Time: goldenBase, Name: "SayHello", Payload: []byte(`"a city of 20 bytes"`)}},
	{"task+call", Event{Kind: TaskScheduled, ID: 3, Time: goldenBase, Name: "SayHello", Payload: []byte(`"a city of 20 bytes"`), Ext: &Ext{Call: 3}}},
	{"result", Event{Kind: TaskCompleted, ID: NoID, Ref: 3, Time: goldenBase, Payload: []byte(`"Hello, city!"`)}},
	{"tags", Event{Kind: TaskScheduled, ID: 3, Time: goldenBase, Name: "SayHello", Ext: &Ext{Tags: map[string]string{"team": "blue", "env": "prod", "app": "shop"}}}},
}

func BenchmarkAppendEvent(b *testing.B) {
	for _, bb := range benchEvents {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 256)
			for b.Loop() {
				buf = AppendEvent(buf[:0], &bb.event, goldenBase)
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

func BenchmarkDecodeEvent(b *testing.B) {
	for _, bb := range benchEvents {
		in := AppendEvent(nil, &bb.event, goldenBase)
		for mode, r := range map[string]*Reader{"copy": NewReader(nil), "owned": NewOwnedReader(nil)} {
			b.Run(bb.name+"/"+mode, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r.Reset(in)
					if _, err := DecodeEvent(r, goldenBase); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func TestAppendEventAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 256)
	for _, bb := range benchEvents {
		if n := testing.AllocsPerRun(100, func() { buf = AppendEvent(buf[:0], &bb.event, goldenBase) }); n != 0 {
			t.Errorf("%s: %v allocations", bb.name, n)
		}
	}
}
