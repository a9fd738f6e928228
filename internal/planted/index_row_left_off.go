//go:build !planted_index_row_left

package planted

// IndexRowLeft: rows by name and status stay when an instance has another status or is gone.
const IndexRowLeft = false
