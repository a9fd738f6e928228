//go:build !planted_unlogged_change

package planted

// UnloggedChange: an event that is not logged changes what is durable.
const UnloggedChange = false
