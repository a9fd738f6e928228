// Package netherite is the default engine: partitions that share one commit log.
//
// The meaning of everything lies in the pure core, engine/netherite/partition.
// This package is the shell around it: it brings the core its inputs, gives its
// records a place in the log, and lets its effects out when they may go.
//
//	client.go feed.go transport.go          where inputs come from and effects go to
//	host.go batch.go                        one partition: mailbox, load, check, append, step
//	commit.go release.go                    one node: a group commit for all partitions
//	checkpoint.go memory.go timers.go       upkeep
//	recover.go engine.go                    from storage to a running node, and again after a failure
//
// # Incarnations
//
// A node is everything that is derived from one opening of the log. When the
// log fails, the node with its mailboxes, waiting effects and hand-outs is torn
// down, and a new one is recovered from storage. Only two things outlive a node:
// the calls of clients, which are sent again under the same request numbers, and
// the connections of workers, which lose the items they had.
//
// # Order of release
//
// A partition processes its mailbox in batches. The records of a batch are
// appended to the node's open group, which gives them their position; only then
// does any effect leave the partition. What may leave "at once" depends on
// nothing but that order: everything in the log before it is durable no later
// than it. Answers wait in the group until it is durable.
//
// # Goroutines
//
// One per partition, one that commits, one for upkeep. None of them waits for
// another partition. Hosts and the committer are passive objects with a Tick,
// so that one goroutine can drive a whole node in a simulation.
package netherite
