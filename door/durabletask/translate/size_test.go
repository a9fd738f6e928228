package translate

import (
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/model"
)

// frame is more than what a message costs inside of another one.
const frame = 8

// Pages are bounded by how large an instance is, and have to fit into messages.
func TestWhatIsSaidOfAnInstanceIsNoLargerThanItsSize(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		i := anyInstance(r)
		if said, size := proto.Size(State(i))+frame, i.Size(); said > size {
			t.Fatalf("%d bytes are said, the size is %d: %+v", said, size, i)
		}
		if said, size := proto.Size(Metadata(i, true))+frame, i.Size(); said > size {
			t.Fatalf("%d bytes are said of the entity, the size is %d: %+v", said, size, i)
		}
	}
}

// anyInstance draws an instance, of texts that are none, too, and of JSON that grows
// when it is said otherwise.
func anyInstance(r *rand.Rand) *model.Instance {
	text := func() string {
		return strings.Repeat([...]string{"", "a", "\xff", "a\xff", "\x00", "\u00e9", "\U0001f600"}[r.IntN(7)], r.IntN(40))
	}
	payload := func() []byte {
		if r.IntN(3) == 0 {
			return nil
		}
		return []byte(text())
	}
	property := func() []byte {
		each := [...]string{"1,", "[],", "{},", `"",`, "true,", `{"a":1},`, "[[[1]]],", "null,", `"a",`}[r.IntN(9)]
		list := strings.TrimSuffix(strings.Repeat(each, 1+r.IntN(40)), ",")
		return []byte([...]string{list, "[" + list + "]", `{"k":[` + list + "]}", text()}[r.IntN(4)])
	}
	var failure func(depth int) *model.Failure
	failure = func(depth int) *model.Failure {
		if depth == 0 || r.IntN(2) == 0 {
			return nil
		}
		f := &model.Failure{Type: text(), Message: text(), Stack: text(), NonRetriable: true, Cause: failure(depth - 1), Properties: map[string][]byte{}}
		for range r.IntN(4) {
			f.Properties[text()] = property()
		}
		return f
	}
	times := [...]model.Time{0, 1, -1, 1 << 62}
	at := func() model.Time { return times[r.IntN(len(times))] }
	i := &model.Instance{
		ID: text(), Name: text(), Version: text(), Execution: model.ExecutionID{1}, Status: model.Completed,
		Created: at(), LastUpdated: at(), Completed: at(), ScheduledAt: at(),
		Input: payload(), Output: payload(), CustomStatus: payload(), Failure: failure(5), Tags: map[string]string{},
		Parent: &model.Parent{Instance: text()}, Entity: &model.EntityState{State: payload(), Backlog: 1 << 40, LockedBy: text()},
	}
	for range r.IntN(5) {
		i.Tags[text()] = text()
	}
	return i
}
