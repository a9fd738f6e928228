//go:build !planted_zombie_answer

package planted

// ZombieAnswer: an earlier opening of the log answers from what it remembers.
const ZombieAnswer = false
