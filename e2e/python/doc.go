// Package python runs the real Python packages durabletask and
// durabletask-azuremanaged, unmodified, against the real binary. Its tests install
// what requirements.txt names into the user's cache.
package python
