//go:build planted_zombie_append

package planted

// ZombieAppend: an earlier opening of the log may write, sync and acknowledge.
const ZombieAppend = true
