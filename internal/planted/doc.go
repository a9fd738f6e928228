// Package planted holds bugs on purpose: each constant is false. A program that is
// built with the tag planted has them as variables, of which the environment may name
// one (NETHERITE_PLANTED=lock_passed): all are tried with one build. They prove that
// the simulator finds what it is there to find ("make test-planted").
package planted
