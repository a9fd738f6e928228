package linear_test

// tally counts what happened to requests and to messages between partitions.
type tally struct {
	answered, unanswered int // requests
	lost, twice          int // messages: of the latter those that came twice
	failed               int // operations on files
	refused              int // requests, as the disk was full
}

func (a *tally) add(b tally) {
	a.answered += b.answered
	a.unanswered += b.unanswered
	a.lost += b.lost
	a.twice += b.twice
	a.failed += b.failed
	a.refused += b.refused
}

// missing lists what a trial is for and has not happened.
func (a *tally) missing(c trial) (list []string) {
	if a.answered == 0 {
		list = append(list, "answered requests")
	}
	if c.crashes+c.kills > 0 && a.unanswered == 0 {
		list = append(list, "unanswered requests")
	}
	if c.lossy && a.lost == 0 {
		list = append(list, "lost messages")
	}
	if c.lossy && a.twice == 0 {
		list = append(list, "duplicated messages")
	}
	if c.errors > 0 && a.failed == 0 {
		list = append(list, "operations on files that failed")
	}
	if c.full > 0 && a.refused == 0 {
		list = append(list, "requests that were refused")
	}
	return list
}
