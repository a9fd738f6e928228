//go:build !planted_held_not_stored

package planted

// HeldNotStored: a checkpoint leaves out what an instance that is set aside holds.
const HeldNotStored = false
