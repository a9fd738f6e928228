//go:build !planted_ended_without_time

package planted

// EndedWithoutTime: what is terminated does not say when it ended.
const EndedWithoutTime = false
