// Package pebblestore is a substrate.Store on two Pebble databases with their
// logs off: the engine's commit log is their log.
//
//	DIR/main      substrate.Main, and under reserved keys what is below
//	DIR/history   substrate.History
//	DIR/ballast   a file of zeros, removed to go on when the disk is full
//
// A database of its own lets History, whose keys grow with creation, be compacted
// by moving files instead of rewriting them, which halves the cost of the store.
// The price is an order that has to be kept between the two, so that Main never
// refers to history that is not there:
//
//   - what a batch sets in History is durable before what it does in Main is.
//     Flush keeps that order. Pebble also writes a memtable by itself when it is
//     full; so before Main's could be, Apply flushes History and starts a new one.
//   - what a batch deletes from History stays there until Main is durable without
//     it. Until then readers are told that it is gone. So that a crash does not
//     leave it there for ever, the same batch notes it in Main.
//
// Reserved keys of Main, integers big endian:
//
//	ff 'd' number(8)       a range to delete from History: uvarint length of low, low, high
//	ff 'l'                 how far the log had come: incarnation(8), offset(8) before which
//	                       all was durable, 1(1) if that opening acknowledged nothing more
//	ff 's' partition(4)    a stamp: offset(8) epoch(8) record(8)
//	ff 'v'                 the version of this layout(2)
//
// Pebble ends the process when it can no longer trust its files. Here it only
// ends the store: see Options.Logger and fence.
package pebblestore
