package translate

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/google/go-cmp/cmp"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/model"
)

// encodedEvents are the events of all histories, each encoded.
func encodedEvents(t testing.TB) (events [][]byte) {
	for _, list := range histories() {
		for _, whole := range []bool{false, true} {
			err := Fields(NewHistory("i", model.ExecutionID{1}).Append(nil, 1, list, whole), func(_ protowire.Number, v []byte, _ uint64) error {
				events = append(events, v)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return events
}

// inSteps decodes an event by way of its message.
func inSteps(b []byte) (model.Event, error) {
	h := &wire.HistoryEvent{}
	if err := proto.Unmarshal(b, h); err != nil {
		return model.Event{}, err
	}
	return ToEvent(h)
}

func TestUsualEventsAreDecodedAtOnce(t *testing.T) {
	usual := 0
	for _, b := range encodedEvents(t) {
		if _, ok := decodeUsual(b); ok {
			usual++
		}
	}
	if usual < 100 {
		t.Errorf("%d events were decoded at once", usual)
	}
}

// FuzzDecodeEvent holds that an event is decoded to what its message says.
func FuzzDecodeEvent(f *testing.F) {
	for _, b := range encodedEvents(f) {
		if len(b) < 1000 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzztest.Bounded(t, len(b), 200, func() {
			got, err := DecodeEvent(b)
			want, wantErr := inSteps(b)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("at once: %v, in steps: %v", err, wantErr)
			}
			if diff := cmp.Diff(want, got); err == nil && diff != "" {
				t.Errorf("(-in steps, +at once):\n%s", diff)
			}
		})
	})
}
