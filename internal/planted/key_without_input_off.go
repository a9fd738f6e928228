//go:build !planted_key_without_input

package planted

// KeyWithoutInput: the idempotency key does not depend on the input.
const KeyWithoutInput = false
