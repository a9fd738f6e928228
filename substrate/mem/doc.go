// Package mem holds twins in memory of the log, the store and the clock. They
// keep the same contracts as the real ones, can crash, fail on demand, start no
// goroutine and use no randomness but what they are given: the same calls give
// the same results.
//
// What survives a crash is in a LogDisk or a StoreDisk; Open gives a log or a
// store on it, and Crash ends all of these.
package mem
