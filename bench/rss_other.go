//go:build !linux

package bench

// residentBytes is told by Linux alone; elsewhere only the peak is known.
func residentBytes() int64 { return 0 }
