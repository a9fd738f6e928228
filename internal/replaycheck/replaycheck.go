// Package replaycheck turns the replay checker on in whole test programs: for all
// their hubs, and those of the programs that they start, however these are opened.
// Hubs with a memory limit of their own stay without it, as it keeps everything in
// memory. Each hub that has it says so in its log.
package replaycheck

import "os"

// variable is one of the environment, so that child processes have it, too.
const variable = "NETHERITE_TEST_REPLAY"

// InTests turns it on. It is for TestMain.
func InTests() { _ = os.Setenv(variable, "on") } // fails only for what is no name

// Not turns it off for one test or benchmark: one about amounts, or in which hubs are
// to run as users run them.
func Not(t interface{ Setenv(key, value string) }) { t.Setenv(variable, "") }

// Without is Not for the programs that a test starts beside other tests: their
// environment.
func Without() []string { return append(os.Environ(), variable+"=") }

// On reports whether hubs check their replay without having been told to.
func On() bool { return os.Getenv(variable) != "" }
