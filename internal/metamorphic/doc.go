// Package metamorphic plays one script of operations in hubs with different
// options: partitions, release levels, commits, checkpoints, caches, batches,
// files, transports, payloads, crashes. What clients and histories say
// afterwards must be the same. It has tests only.
package metamorphic
