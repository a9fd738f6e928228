//go:build planted_zombie_append

package planted

// ZombieAppend: what an earlier opening has appended is acknowledged after a later one has opened the log.
const ZombieAppend = true
