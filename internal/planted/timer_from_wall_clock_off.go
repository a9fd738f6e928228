//go:build !planted_timer_from_wall_clock

package planted

// TimerFromWallClock: a Step sees another time than its record has.
const TimerFromWallClock = false
