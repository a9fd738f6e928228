package check

import (
	"fmt"
	"slices"

	"github.com/netherite-go/netherite/model"
)

// View is what is known of an instance at one time.
type View struct {
	Status      model.Status
	Execution   model.ExecutionID // zero of what was not found
	LastUpdated model.Time
	Gone        bool // there is none
}

// ViewOf is the view of what was read; nil if there was nothing.
func ViewOf(got *model.Instance) View {
	if got == nil {
		return View{Gone: true}
	}
	return View{Status: got.Status, Execution: got.Execution, LastUpdated: got.LastUpdated}
}

// String tells the view in an error.
func (v View) String() string {
	if v.Gone {
		return "gone"
	}
	return fmt.Sprintf("%v, updated at %v", v.Status, v.LastUpdated)
}

// Follows says what is wrong with a view that comes after another one of the same
// instance: within one execution nothing goes back. What has failed may be rewound.
func (v View) Follows(was View) error {
	switch {
	case v.Execution != was.Execution || v.Gone:
		return nil
	case was.Gone:
		return fmt.Errorf("was gone, and is %v", v)
	case v.LastUpdated < was.LastUpdated:
		return fmt.Errorf("was %v, and is %v", was, v)
	case was.Status.Ended() && v.Status != was.Status && was.Status != model.Failed:
		return fmt.Errorf("had ended, %v, and is %v", was, v)
	}
	return nil
}

// Watched is what somebody knows of instances who is told by a watch how they change,
// and reads them meanwhile: nothing may be left out between the two.
type Watched struct {
	known  map[string]*known
	losses int
}

type known struct {
	View
	sure bool // every change since is told
	past []model.ExecutionID
}

// Asked is what was known when somebody began to read an instance.
type Asked struct {
	known  *known
	losses int
}

// NewWatched is for a watch that begins.
func NewWatched() *Watched { return &Watched{known: map[string]*known{}} }

// Lost notes that there were changes of which nobody tells.
func (w *Watched) Lost() {
	w.losses++
	for id, k := range w.known { // order-free: each is changed for itself
		unsure := *k
		unsure.sure = false
		w.known[id] = &unsure
	}
}

// Told notes a change.
func (w *Watched) Told(id string, v View) error {
	next := &known{View: v, sure: true}
	if was := w.known[id]; was != nil {
		if err := v.Follows(was.View); err != nil {
			return fmt.Errorf("watch: %q %w, as it tells", id, err)
		}
		if slices.Contains(was.past, v.Execution) {
			return fmt.Errorf("watch: %q is %v in an execution before the last that was told", id, v)
		}
		next.past = was.past
		if was.Execution != v.Execution {
			next.past = append(slices.Clip(was.past), was.Execution)
		}
	}
	w.known[id] = next
	return nil
}

// Ask is called before an instance is read.
func (w *Watched) Ask(id string) Asked { return Asked{w.known[id], w.losses} }

// Saw compares what was read with what is known, once all has been taken that the
// watch tells.
func (w *Watched) Saw(id string, got View, asked Asked) error {
	k := w.known[id]
	switch {
	case asked.losses != w.losses: // it may be from before
		return nil
	case k == asked.known && k != nil:
		if err := got.Follows(k.View); err != nil {
			return fmt.Errorf("watch: %q %w, as it was read", id, err)
		}
	}
	switch {
	case k == nil || !k.sure:
		if k == asked.known {
			w.known[id] = &known{View: got, sure: true}
		}
		return nil
	case got.newer(k.View), k == asked.known && !got.same(k.View):
		return fmt.Errorf("watch: %q is %v, and what was told last is that it is %v", id, got, k.View)
	}
	return nil
}

// newer reports whether a view is certain to be of a later time.
func (v View) newer(than View) bool {
	return !v.Gone && !than.Gone && v.Execution == than.Execution && v.LastUpdated > than.LastUpdated
}

// same reports whether nothing happened between two views. Within one batch of a
// partition the status may change, of which only the last is told.
func (v View) same(as View) bool {
	return v.Gone == as.Gone && (v.Gone || v.Execution == as.Execution && v.LastUpdated == as.LastUpdated)
}
