//go:build planted_handle_left_open

package planted

// HandleLeftOpen: a log that has failed leaves a file open when it is closed.
const HandleLeftOpen = true
