//go:build !planted_timers_early

package planted

// TimersEarly: timers fire up to a second before their time.
const TimersEarly = false
