// Package sweep crashes a whole hub, with its real log and store, at every
// operation on the file system of a fixed workload, and looks at what recovers.
// It has tests only: see sweep_test.go for how they are run.
package sweep
