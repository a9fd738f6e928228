// Package sim runs a whole hub in one goroutine and virtual time: the engine,
// its log on a file system that can crash, its worker, real workflows and their
// clients, while disks, messages, clocks, processes and workers misbehave.
//
//	run.go plan.go faults.go       one seed: three phases, which faults it has, and when
//	world.go task.go clock.go      time, the one heap of events, coroutines
//	process.go storage.go net.go   an engine with its disk, its store and its messages
//	workload.go client.go          what the hub is used for, and by whom
//	operations.go                  what clients do with it
//	spectate.go                    who watches
//	query.go letters.go repeat.go  queries, messages between workflows, requests that come again
//	bulk.go                        loads as large as may be, and many clients at once
//	poison.go doom.go glut.go      what the core cannot apply, and logs that are full
//	files.go turns.go              what must be closed in the end, and that there is one
//	parking.go witness.go          a partition that cannot run, while the others do
//	batch.go shrink.go             many seeds, and less of one that fails
//
// The code under test is the code that is in production: only goroutines are
// replaced by coroutines (netherite.Stepped), so that a seed decides about every
// order of things. Package sim/check judges what happened.
//
// A run has three phases. In the first, faults happen while clients work, and
// what must never happen is checked. In the second, all faults end. In the third
// there must be progress: all that was begun comes to its end, and what must be
// so in the end is checked.
package sim
