//go:build !planted_key_undeclared

package planted

// KeyUndeclared: of several messages only the first names its instance.
const KeyUndeclared = false
