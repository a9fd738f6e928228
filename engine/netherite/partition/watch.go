package partition

import "github.com/netherite-go/netherite/engine"

// Watch says whether changes are to be noticed, for Noticed. It has no influence
// on what happens.
func (s *State) Watch(on bool) { s.watched = on }

// notice notes that what others see of an instance changes.
func (s *State) notice(inst *instance) {
	if s.watched && !inst.noticed {
		inst.noticed = true
		s.noticed = append(s.noticed, inst)
	}
}

// Noticed appends how the instances are that have changed since it was asked last.
// An instance that has been forgotten, and another one of its ID begun, is told of
// as the latter.
func (s *State) Noticed(dst []engine.Change) []engine.Change {
	for i, inst := range s.noticed {
		s.noticed[i], inst.noticed = nil, false
		if inst.gone && s.byID[inst.id] != nil {
			continue
		}
		dst = append(dst, engine.Change{
			Instance: inst.id, Name: inst.name, Version: inst.version, Execution: inst.execution, Status: inst.status,
			Created: inst.created, LastUpdated: inst.updated, Gone: inst.gone,
		})
	}
	s.noticed = s.noticed[:0]
	return dst
}

// HasNoticed reports whether Noticed would append anything.
func (s *State) HasNoticed() bool { return len(s.noticed) > 0 }
