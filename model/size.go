package model

import "unicode/utf8"

const (
	// instanceBytes is more than what is said of an instance beside its texts and
	// payloads, and elementBytes of each thing in one of its lists.
	instanceBytes = 512
	elementBytes  = 64
	// propertyFactor is by how much the properties of a failure can grow when they
	// are said as values of the protocol, rather than as JSON.
	propertyFactor = 8
)

// Size bounds how many bytes it takes to say what the instance has, from above: in
// memory, and in a message of the doors' protocol, where what is no text is longer.
func (i *Instance) Size() int {
	n := instanceBytes + textSize(i.ID, i.Name, i.Version) + payloadSize(i.Input) + payloadSize(i.Output) + payloadSize(i.CustomStatus) +
		i.Failure.size()
	for k, v := range i.Tags { // order-free: a sum
		n += elementBytes + textSize(k, v)
	}
	if p := i.Parent; p != nil {
		n += elementBytes + textSize(p.Instance, p.Name, p.Version)
	}
	if e := i.Entity; e != nil {
		n += payloadSize(e.State) + textSize(e.LockedBy) + listSize(e.LockQueue)
	}
	return n + i.Waits.size()
}

func (f *Failure) size() int {
	if f == nil {
		return 0
	}
	n := elementBytes + textSize(f.Type, f.Message, f.Stack) + f.Cause.size()
	for k, v := range f.Properties { // order-free: a sum
		n += elementBytes + textSize(k) + propertyFactor*len(v)
	}
	return n
}

func (w *Waits) size() int {
	if w == nil {
		return 0
	}
	n := elementBytes*(1+len(w.Tasks)+len(w.Timers)+len(w.Children)+len(w.Calls)+len(w.Locks)+len(w.Held)) + textSize(w.NoHandler) +
		listSize(w.Events) + w.Quarantine.size()
	for i := range w.Tasks {
		n += textSize(w.Tasks[i].Name, w.Tasks[i].Version)
	}
	for i := range w.Children {
		n += textSize(w.Children[i].Instance, w.Children[i].Name)
	}
	for i := range w.Calls {
		n += textSize(w.Calls[i].Entity, w.Calls[i].Operation)
	}
	for i := range w.Locks {
		n += textSize(w.Locks[i].Section) + listSize(w.Locks[i].LockSet)
	}
	for i := range w.Held {
		n += textSize(w.Held[i].Name, w.Held[i].From)
	}
	return n
}

func listSize(list []string) int { return elementBytes*len(list) + textSize(list...) }

// textSize counts each text as what can be said of it: a byte that is none of any
// text becomes a sign of three.
func textSize(texts ...string) (n int) {
	for _, s := range texts {
		if n += len(s); !utf8.ValidString(s) {
			n += 2 * len(s)
		}
	}
	return n
}

// payloadSize counts what is no text as base64, with what is said before it.
func payloadSize(p []byte) int {
	if utf8.Valid(p) {
		return len(p)
	}
	return elementBytes + (len(p)+2)/3*4
}
