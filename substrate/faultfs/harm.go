package faultfs

import "slices"

// Harm damages a file in the way that a byte names: bits of one byte change, the
// file is cut off, a sector is zero, or the file is gone. What there is not is left
// alone. It is for fuzzing: any arguments do something.
func (f *FS) Harm(name string, how byte, at int, bits byte) {
	if how %= 4; how == 3 {
		_ = f.Remove(name) // it may be gone already
		return
	}
	_ = f.Alter(name, func(data []byte) []byte { // the same
		if len(data) == 0 {
			return data
		}
		data = slices.Clone(data)
		switch at %= len(data); how {
		case 0:
			data[at] ^= bits
		case 1:
			data = data[:at]
		case 2:
			clear(data[at:min(at+SectorBytes, len(data))])
		}
		return data
	})
}
