//go:build planted_side_file_ignored

package planted

// SideFileIgnored: what was set aside for a parked partition is not replayed.
const SideFileIgnored = true
