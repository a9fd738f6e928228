// Package planted holds bugs on purpose: each constant is false, unless the
// program is built with the tag planted_NAME. They prove that the simulator finds
// what it is there to find ("make test-planted"). The compiler leaves out what a
// constant that is false guards.
package planted
