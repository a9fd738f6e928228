package check

import (
	"fmt"

	"github.com/netherite-go/netherite/model"
)

// Pages checks the pages of one query, while others go on: no instance is there
// twice, and if all pages were read, none is missing that was there all the time.
type Pages struct {
	byID   bool
	listed map[string]bool
}

// NewPages returns the checker of a query that lists instances by their IDs, or in
// the order in which they were created: then one that is created anew meanwhile is
// another one.
func NewPages(byID bool) *Pages { return &Pages{byID, map[string]bool{}} }

// Page notes the next page.
func (p *Pages) Page(instances []*model.Instance) error {
	for _, i := range instances {
		key := i.ID
		if !p.byID {
			key = fmt.Sprint(i.ID, " created at ", i.Created)
		}
		if p.listed[key] {
			return fmt.Errorf("query: %q is listed twice", key)
		}
		p.listed[key], p.listed[i.ID] = true, true
	}
	return nil
}

// Without checks, at any time, that none of these instances is listed.
func (p *Pages) Without(ids []string) error {
	for _, id := range ids {
		if p.listed[id] {
			return fmt.Errorf("query: %q is listed, although it was purged before", id)
		}
	}
	return nil
}

// Complete checks, after the last page, that these instances are listed.
func (p *Pages) Complete(ids []string) error {
	for _, id := range ids {
		if !p.listed[id] {
			return fmt.Errorf("query: %q is not listed, although it was there before and after", id)
		}
	}
	return nil
}
