//go:build planted_input_forgotten

package planted

// InputForgotten: the input of what has completed is not stored.
const InputForgotten = true
