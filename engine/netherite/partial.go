package netherite

import (
	"errors"
	"slices"

	"github.com/netherite-go/netherite/engine"
)

// missing gathers the partitions that an operation over all of them has to leave
// out, because they are parked or what is stored of them is damaged.
type missing struct{ err *engine.PartialError }

// note reports whether the error of a request to a partition only means that it
// is left out.
func (m *missing) note(id int, err error) bool {
	var parked *parkedError
	if errors.As(err, &parked) {
		m.add(id, err)
	}
	return parked != nil
}

// noteRead is note for an error of reading the partition's rows.
func (m *missing) noteRead(id int, err error) bool {
	if isDamage(err) {
		m.add(id, err)
		return true
	}
	return false
}

func (m *missing) add(id int, err error) {
	if m.err == nil {
		m.err = &engine.PartialError{Reason: err}
	}
	if !slices.Contains(m.err.Partitions, id) {
		m.err.Partitions = append(m.err.Partitions, id)
		slices.Sort(m.err.Partitions)
	}
}

// orNil is the error, nil if nothing is missing.
func (m *missing) orNil() error {
	if m.err == nil {
		return nil
	}
	return m.err
}
