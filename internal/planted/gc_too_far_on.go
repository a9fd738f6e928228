//go:build planted_gc_too_far

package planted

// GCTooFar: a trim lets one segment too much go.
const GCTooFar = true
