// Package sweep crashes a whole hub, with its real log and store, at every
// operation on the file system of a fixed workload, and looks at what recovers. It damages
// one at random, and looks at what a repair makes of it, also if that is crashed.
// It has tests only: see sweep_test.go for how they are run.
package sweep
