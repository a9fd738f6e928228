// Package nospace tells a lack of space from other errors of a file system: the
// disk is full, a quota is used up, or a file has reached the size that the
// process may give it. All three are cured from outside, and what was refused may
// be tried again then.
package nospace
