// Package sdktest starts the real server for tests with real SDKs: it builds the
// command once, starts and kills it, installs what a suite of another language
// needs, turns the lines that a suite prints into tests, and reads the histories
// that are left for what has happened twice.
package sdktest
