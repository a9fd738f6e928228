// Package check judges what happened in a simulation: what clients were told,
// what the log held, what the histories say. It knows the promises of
// docs/guarantees.md and the contracts of models and substrates, and nothing of
// how an engine keeps them.
package check
