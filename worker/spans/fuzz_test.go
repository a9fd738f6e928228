package spans

import (
	"reflect"
	"testing"

	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/model"
)

// FuzzCarried holds that a trace context that is taken is carried on as it was
// taken. What was given may differ: a later version may have more after the flags,
// of which only the first is kept, and a bad state is dropped.
func FuzzCarried(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=b,c=d")
	f.Add("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-00", "a=b,a=c")
	f.Add("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", "=")
	f.Add("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "")
	f.Add("00-00000000000000000000000000000000-0000000000000000-01", "")
	f.Fuzz(func(t *testing.T, parent, state string) {
		fuzztest.Bounded(t, len(parent)+len(state), 20, func() {
			sc := Carried(&model.Trace{Parent: parent, State: state})
			carried := Carry(sc)
			if (carried != nil) != sc.IsValid() {
				t.Fatalf("%q %q is valid: %t, carried on: %+v", parent, state, sc.IsValid(), carried)
			}
			if carried == nil {
				return
			}
			if again := Carried(carried); !again.Equal(sc) {
				t.Fatalf("%q %q is %v, carried on %v", parent, state, sc, again)
			}
			if again := Carry(Carried(carried)); !reflect.DeepEqual(again, carried) {
				t.Fatalf("%+v is carried on as %+v", carried, again)
			}
		})
	})
}
