//go:build !planted_sector_rewritten

package planted

// SectorRewritten: a write to the log begins with the last sector of what is durable already.
const SectorRewritten = false
