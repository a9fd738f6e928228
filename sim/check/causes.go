package check

import (
	"fmt"
	"sort"

	"github.com/netherite-go/netherite/substrate"
)

// Causes knows where in the log those records end that something depends on which
// is numbered in the order in which it came to be: records themselves, messages,
// hand-outs. The zero value knows of nothing.
type Causes struct {
	runs []run
}

// run is that all up to a number depend on no more of the log than ends at an
// offset.
type run struct {
	last uint64
	at   substrate.Offset
}

// Grown notes that there is now all up to a number, and that the log has been
// appended up to an offset.
func (c *Causes) Grown(last uint64, at substrate.Offset) {
	if n := len(c.runs); n > 0 && c.runs[n-1].last >= last {
		return
	}
	c.runs = append(c.runs, run{last, at})
}

// Durable checks that what has a number may leave where the log is durable up to
// an offset.
func (c *Causes) Durable(number uint64, durable substrate.Offset) error {
	i := sort.Search(len(c.runs), func(i int) bool { return c.runs[i].last >= number })
	switch {
	case i == len(c.runs):
		return fmt.Errorf("it has just come to be, and nothing that it depends on can be durable")
	case c.runs[i].at > durable:
		return fmt.Errorf("it depends on the log up to %d, of which %d is durable", c.runs[i].at, durable)
	}
	return nil
}
