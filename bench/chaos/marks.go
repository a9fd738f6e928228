package chaos

import (
	"slices"

	"github.com/netherite-go/netherite/durable"
)

// Marks is the state of an entity that remembers which of its sender's numbered
// signals it was given, so that a lost one, a repeated one and one that was never
// sent can be told apart, and named.
type Marks struct {
	Runs     []Run   `json:"runs,omitempty"`     // in order, not touching each other
	Repeated []int64 `json:"repeated,omitempty"` // given more than once
}

// Run is the numbers First to Last.
type Run struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// Mark is a signal. Pad makes it as large as one likes; it is not kept.
type Mark struct {
	N   int64  `json:"n"`
	Pad string `json:"pad,omitempty"`
}

// Add takes a signal down.
func (m *Marks) Add(_ *durable.EntityContext, s Mark) (durable.None, error) {
	m.add(s.N)
	return durable.None{}, nil
}

func (m *Marks) add(n int64) {
	i, found := slices.BinarySearchFunc(m.Runs, n, func(r Run, n int64) int {
		switch {
		case r.Last < n:
			return -1
		case r.First > n:
			return 1
		}
		return 0
	})
	switch {
	case found:
		m.Repeated = append(m.Repeated, n)
		return
	case i > 0 && m.Runs[i-1].Last == n-1:
		m.Runs[i-1].Last = n
	case i < len(m.Runs) && m.Runs[i].First == n+1:
		m.Runs[i].First = n
		return
	default:
		m.Runs = slices.Insert(m.Runs, i, Run{n, n})
		return
	}
	if i < len(m.Runs) && m.Runs[i].First == n+1 {
		m.Runs[i-1].Last = m.Runs[i].Last
		m.Runs = slices.Delete(m.Runs, i, i+1)
	}
}

// Has reports whether a number was given.
func (m *Marks) Has(n int64) bool {
	return slices.ContainsFunc(m.Runs, func(r Run) bool { return r.First <= n && n <= r.Last })
}

// Count is how many numbers were given.
func (m *Marks) Count() (n int64) {
	for _, r := range m.Runs {
		n += r.Last - r.First + 1
	}
	return n
}

// The entity and its operation.
var (
	Marked  = durable.Entity[Marks]("Marks", durable.ValidatesFirst)
	MarkAdd = durable.Operation(Marked, "Add", (*Marks).Add)
)
