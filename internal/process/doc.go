// Package process tests the project as real processes of the operating system:
// killed at random moments, watched at their system calls, measured in their
// memory. The programs that it runs are the command, and this package's own test
// program without the race detector. It has no code but tests.
package process
