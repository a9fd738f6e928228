//go:build !planted_dedup_off_by_one

package planted

// DedupOffByOne: the last message of a frame that overlaps is taken again.
const DedupOffByOne = false
