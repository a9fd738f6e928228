// Package sdktest starts the real server for tests with real SDKs: it builds the
// command once, starts and kills it, installs what a suite of another language
// needs, and turns the lines that a suite prints into tests.
package sdktest
