//go:build planted_skip_crc

package planted

// SkipCRC: checksums of frames are not checked.
const SkipCRC = true
