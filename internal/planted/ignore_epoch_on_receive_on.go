//go:build planted_ignore_epoch_on_receive

package planted

// IgnoreEpochOnReceive: the partition takes the result of a hand-out that is over.
const IgnoreEpochOnReceive = true
