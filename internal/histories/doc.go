// Package histories looks at histories as data, for tests that know nothing of
// the code that made them: whether one has a hole or a duplicate, and what of
// two must be the same.
package histories
