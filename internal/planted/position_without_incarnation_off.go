//go:build !planted_position_without_incarnation

package planted

// PositionWithoutIncarnation: an opening goes on in the epoch of the last one.
const PositionWithoutIncarnation = false
