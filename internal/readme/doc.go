// Package readme holds the README to its word: its test follows "Your first five
// minutes" as a new user would, in an empty directory, and kills the program in
// the middle. So it does with how the pages of the SDKs begin.
package readme
