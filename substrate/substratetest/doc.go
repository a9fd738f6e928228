// Package substratetest holds the conformance suites of the substrate's
// interfaces. Every implementation runs the one of its interface, on every
// medium that it can live on.
package substratetest
