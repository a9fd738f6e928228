package sweep_test

import "maps"

// troubles is what a client of the workload of that name knows.
type troubles struct {
	outputs map[string]string // what orchestrations come to, as JSON
	entries map[string][]page // what orchestrations enter
	shaky   map[string]bool   // orchestrations that fail at each step
	relays  map[string]int    // how many words they were told
	posts   map[page]bool     // what the client itself has entered
	aside   map[string]poison // instances that are set aside
	held    map[string]int    // how much an instance that is set aside was seen to hold
	retried map[string]bool
	failed  map[string]int // how often an instance was seen to have failed
	rewound map[string]int
	parked  bool // the hub is opened without a partition
}

// page is an entry of a book.
type page struct{ book, entry string }

// pages are what one instance enters into a book.
func pages(book, id string, n int) (all []page) {
	for i := range n {
		all = append(all, page{book, entry(id, i)})
	}
	return all
}

// poison is what could not be applied to an instance.
type poison struct {
	from  string // who has sent it
	event string // what it is, as the evidence has it
}

func newTroubles() troubles {
	return troubles{
		outputs: map[string]string{}, entries: map[string][]page{}, shaky: map[string]bool{}, relays: map[string]int{}, posts: map[page]bool{},
		aside: map[string]poison{}, held: map[string]int{}, retried: map[string]bool{}, failed: map[string]int{}, rewound: map[string]int{},
	}
}

func (t *troubles) clone() troubles {
	return troubles{
		outputs: maps.Clone(t.outputs), entries: maps.Clone(t.entries), shaky: maps.Clone(t.shaky), relays: maps.Clone(t.relays), posts: maps.Clone(t.posts),
		aside: maps.Clone(t.aside), held: maps.Clone(t.held), retried: maps.Clone(t.retried), failed: maps.Clone(t.failed), rewound: maps.Clone(t.rewound), parked: t.parked,
	}
}

// all returns the instances of orchestrations.
func (t *troubles) all() map[string]bool {
	ids := map[string]bool{}
	for id := range t.outputs { // order-free: fills a set
		ids[id] = true
	}
	for id := range t.relays { // order-free: fills a set
		ids[id] = true
	}
	return ids
}

func (t *troubles) afterRecovery() {
	for id := range t.aside { // order-free: fills a set
		t.retried[id] = true
	}
	for id := range t.shaky { // order-free: each is counted apart
		t.rewound[id]++
	}
}
