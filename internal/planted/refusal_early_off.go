//go:build !planted_refusal_early

package planted

// RefusalEarly: a refusal does not wait for what it was decided by.
const RefusalEarly = false
