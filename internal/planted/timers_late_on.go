//go:build planted_timers_late

package planted

// TimersLate: timers fire half an hour late.
const TimersLate = true
