// Package chaos runs the real command as a process under load, kills it, stops and
// continues it, and fills its disk, and audits what it holds against a ledger that
// its clients kept: everything acknowledged is there and has ended as it should,
// nothing refused has happened, nothing happened twice, money is conserved, no
// timer was early. It has no code but tests.
//
//	TestChaos     faults under load; -seed, -chaos 1h, -clients, -disk tmpfs|limit
//	TestSoak      steady load, and what may not grow; -soak 30m, -rate
//	Test...Holder the lock of the directory under signals
//
// The clients are goroutines here, each with a generator of its own that is split
// from the seed. So are the faults: the seed repeats which come in which order,
// and what is asked for; the operating system chooses the moments. On Linux the
// tests run in a mount namespace of their own, where they may mount a small
// tmpfs; elsewhere a limit on the size of files takes its place.
package chaos
