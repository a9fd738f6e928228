// Package ops has tests only: of the server as an operator meets it, a process
// with flags, files, listeners and signals.
package ops
