package linear_test

// tally counts what happened to requests and to messages between partitions.
type tally struct {
	answered, unanswered int // requests
	lost, twice          int // messages: of the latter those that came twice
}

func (a *tally) add(b tally) {
	a.answered += b.answered
	a.unanswered += b.unanswered
	a.lost += b.lost
	a.twice += b.twice
}

// missing lists what a trial is for and has not happened.
func (a *tally) missing(c trial) (list []string) {
	if a.answered == 0 {
		list = append(list, "answered requests")
	}
	if c.crashes > 0 && a.unanswered == 0 {
		list = append(list, "unanswered requests")
	}
	if c.lossy && a.lost == 0 {
		list = append(list, "lost messages")
	}
	if c.lossy && a.twice == 0 {
		list = append(list, "duplicated messages")
	}
	return list
}
