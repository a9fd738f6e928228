package sim

import "time"

// scheduleFaults has those faults happen that come by themselves.
func (w *world) scheduleFaults() {
	kinds := []struct {
		f      Fault
		happen func()
	}{
		{Crashes, func() {
			if w.crashIn == 0 {
				w.crashIn = 1 + w.faulty.IntN(100)
			}
		}},
		{Kills, w.killOne},
		{Zombies, w.haunt},
		{FullDisks, w.fillDisk},
		{ClockJumps, w.jump},
		{WorkerLosses, w.loseWorker},
		{Pauses, w.pauseProcess},
		{BitFlips, w.flip},
	}
	w.days++
	w.lull = 0
	day := w.days
	w.backUp()
	w.scheduleDamage()
	for _, k := range kinds {
		if !w.plan.has(k.f) {
			continue
		}
		var again func()
		again = func() {
			if !w.chaos || w.days != day {
				return
			}
			if !w.crashed && w.worthwhile() {
				before := w.faults + w.crashIn
				k.happen()
				if w.faults+w.crashIn > before {
					w.lull = min(w.lull+1, longestLull)
				}
			}
			w.after(w.pause(), again)
		}
		w.after(w.pause(), again)
	}
}

// longestLull bounds by how much faults come more seldom where nothing gets done.
const longestLull = 20

// worthwhile draws whether another fault comes by itself: the more seldom, the more of
// them came without the hub getting anything done in between. There are some in quick
// succession, such as a crash in the recovery from one; hundreds of them to a hub that
// is down, or has no space, would cost more than all the rest of a run and meet what
// they have met before.
func (w *world) worthwhile() bool {
	if done := w.steps - w.openings; done > w.doneAtFault {
		w.lull, w.doneAtFault = 0, done
	}
	return w.faulty.IntN(1+w.lull) == 0
}

// pause is how long until the next fault of a kind.
func (w *world) pause() time.Duration {
	return time.Duration(float64(w.plan.pause) * w.faulty.ExpFloat64())
}

// seldom is a duration up to one of two, mostly the shorter one.
func (w *world) seldom(most, seldom time.Duration) time.Duration {
	if w.faulty.IntN(4) == 0 {
		most = seldom
	}
	return time.Duration(w.faulty.Int64N(int64(most))).Truncate(time.Millisecond)
}

// killOne kills the process that serves, and often a zombie with it.
func (w *world) killOne() {
	w.fault(Kills, "kill", uint64(len(w.procs)), 0)
	if last := len(w.procs) - 1; last > 0 && w.faulty.IntN(2) == 0 {
		w.killed(w.procs[last:])
		return
	}
	w.kill()
}

// haunt opens the hub again while a process runs on, for two minutes at most.
func (w *world) haunt() {
	if p := w.serving(); p == nil || len(w.procs) > 1 {
		return
	}
	w.fault(Zombies, "zombie", uint64(w.opened), 0)
	z := w.serving()
	w.open()
	w.after(w.seldom(10*time.Second, 2*time.Minute), func() {
		if !z.dead {
			w.note("zombie ends", uint64(z.nr), 0)
			w.end(z)
		}
	})
}

// fillDisk leaves no space for a while.
func (w *world) fillDisk() {
	usage, err := w.fs.GetDiskUsage("/")
	if err != nil || w.storeFull {
		return
	}
	w.fault(FullDisks, "full disk", 0, 0)
	// Half of the time nothing is left, for long enough that the log needs the
	// segment that it cannot make.
	left, most := w.faulty.Int64N(32<<10), 10_000
	if w.faulty.IntN(2) == 0 {
		left, most = 0, 100_000
	}
	w.fs.SetCapacity(int64(usage.UsedBytes) + left)
	w.storeFull = w.faulty.IntN(2) == 0
	over := false
	if left == 0 && w.plan.glut {
		w.gorge(func() bool { return over })
	}
	w.after(time.Duration(w.faulty.IntN(most))*time.Millisecond, func() {
		w.note("space again", 0, 0)
		over = true
		w.fs.SetCapacity(1 << 40) // a power failure may have been meanwhile
		w.storeFull = false
	})
}

// mostSkew bounds how wrong the wall clock is. A jump by as much as a leap may have
// things forgotten that are remembered for an hour.
const (
	mostSkew = time.Hour
	leap     = 15 * time.Minute
)

// jump sets the wall clock.
func (w *world) jump() {
	to := time.Duration(w.clocks.Int64N(int64(2*mostSkew))) - mostSkew
	if w.clocks.IntN(2) == 0 {
		to = w.skew + to/600
	}
	w.fault(ClockJumps, "clock jump", uint64(w.setSkew(to)), 0)
}

// setSkew sets the wall clock, and returns by how much. Several small steps forward
// make a leap, too.
func (w *world) setSkew(to time.Duration) (by time.Duration) {
	by, w.skew = to-w.skew, to
	if w.lowest = min(w.lowest, to); to-w.lowest > leap {
		w.lowest = to
		w.leaps++
	}
	w.showTime()
	return by
}
