//go:build !planted_zombie_checkpoint

package planted

// ZombieCheckpoint: an earlier opening of the log changes the store and side files.
const ZombieCheckpoint = false
