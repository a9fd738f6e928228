// Package faultfs is a file system in memory that treats what was not synced as
// the worst disk may: at a crash each unsynced 512-byte sector survives or not,
// on its own, and what does not survive is the old bytes, zeros or noise; names
// are lost until their directory is synced. It can also fail any operation, run
// full, and tell of a sync that it has not done.
//
// It uses no clock and no randomness but what it is given, and starts no
// goroutine: the same calls give the same results.
package faultfs
