package sim

import (
	"fmt"
	"strings"
	"time"
)

// A log has room in its segments when the disk is full, and what clients usually
// ask for seldom fills them while there is no space. A glut does.
const (
	glutPosts = 64
	glutBytes = 8 << 10
	// mostGluts bounds what a run holds that does not end before its faults do, as one of
	// which an operation is stuck.
	mostGluts = 40
)

// gorge posts a lot, and reads it, until the disk has space again: then the log is
// full, too, and what is read may not be durable.
func (w *world) gorge(over func() bool) {
	if w.gluts == mostGluts {
		return
	}
	w.gluts++
	nr := w.gluts
	entity := func(n int) string { return journals.Key(fmt.Sprintf("glut-%d-%d", nr, n)).InstanceID() }
	n := 0
	w.gorging += 2
	w.spawn("glutton", nil, func() {
		defer func() { w.gorging-- }()
		c := &client{w: w, nr: 20_000 + 2*nr}
		for ; n < glutPosts && !over() && w.failure == nil; n++ {
			c.post(entity(n), fmt.Sprintf("glut-%d-%d-", nr, n)+strings.Repeat("x", glutBytes))
		}
	})
	w.spawn("onlooker", nil, func() {
		defer func() { w.gorging-- }()
		c := &client{w: w, nr: 20_001 + 2*nr}
		for !over() && w.failure == nil {
			w.entity(c, entity(n), false)
			w.sleep(100 * time.Millisecond)
		}
	})
}
