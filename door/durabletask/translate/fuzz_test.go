package translate

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/model"
)

// perByte is by how much an event grows, which can be two bytes and is several
// structures each time that it is said or read.
const perByte = 2_000

// A classic message that is understood is shown as one that is understood the same.
func FuzzReadClassic(f *testing.F) {
	for _, data := range []string{
		`{"op":"add","signal":true,"input":"1","id":"r"}`, `{"op":"get","input":{"a":1},"id":"r"}`, `{"op":"get","input":null,"id":"r","due":"2030-01-01T00:00:00.1Z"}`,
		`{"id":"r","lockset":[{"name":"E","key":"1"},{"name":"e","key":"@2"}],"pos":1}`, `{"parent":"x","id":"r"}`, `{}`, `[]`,
	} {
		for _, name := range []string{"op", "op@2030-01-01T00:00:00Z", "op@", "release", "other"} {
			f.Add("@e@1", name, []byte(data))
		}
	}
	f.Fuzz(func(t *testing.T, instance, name string, data []byte) {
		fuzztest.Bounded(t, len(data), perByte, func() {
			e := model.Event{ID: 3, Time: 9}
			if ok, err := ReadClassic(&e, instance, name, data); !ok || err != nil {
				return
			}
			h := NewHistory("x", model.ExecutionID{1})
			shown := h.Say([]model.Event{e})[0].GetEventSent()
			if !json.Valid([]byte(shown.GetInput().GetValue())) {
				t.Fatalf("%v", shown)
			}
			again := model.Event{ID: 3, Time: 9}
			ok, err := ReadClassic(&again, shown.GetInstanceId(), shown.GetName(), []byte(shown.GetInput().GetValue()))
			if !ok || err != nil {
				t.Fatalf("%v, %v: %v", ok, err, shown)
			}
			// What is no text is shown with replacement characters, from then on the same.
			twice := NewHistory("x", model.ExecutionID{1}).Say([]model.Event{again})[0].GetEventSent()
			if !proto.Equal(shown, twice) {
				t.Errorf("shown first as %v and then as %v", shown, twice)
			}
		})
	})
}

// Whatever history a worker hands in is read, or refused; what is read is said as
// one that is read the same.
func FuzzToEvents(f *testing.F) {
	all, err := proto.Marshal(&wire.HistoryChunk{Events: NewHistory("x", model.ExecutionID{1}).Say(events)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(all)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzztest.Bounded(t, len(data), perByte, func() {
			var chunk wire.HistoryChunk
			if proto.Unmarshal(data, &chunk) != nil {
				return
			}
			read, err := ToEvents(chunk.GetEvents())
			if err != nil {
				return
			}
			say := func(list []model.Event) []*wire.HistoryEvent { return NewHistory("x", model.ExecutionID{1}).Say(list) }
			again, err := ToEvents(say(read))
			if err != nil {
				t.Fatalf("%v: %v", err, say(read))
			}
			// What had no time has one once it was said.
			first := say(again)
			again, err = ToEvents(first)
			if err != nil {
				t.Fatalf("%v: %v", err, first)
			}
			second := say(again)
			for i := range first {
				if !proto.Equal(first[i], second[i]) {
					t.Fatalf("event %d is said first as %v and then as %v", i, first[i], second[i])
				}
			}
			if diff := cmp.Diff(len(read), len(again)); diff != "" {
				t.Fatal(diff)
			}
		})
	})
}
