//go:build planted_ignore_epoch_on_receive

package planted

// IgnoreEpochOnReceive: results are taken from whoever hands them in.
const IgnoreEpochOnReceive = true
