//go:build planted_signal_lost

package planted

// SignalLost: signals of orchestrations and entities are not sent.
const SignalLost = true
