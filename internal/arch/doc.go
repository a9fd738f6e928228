// Package arch holds the architecture as a test: which package may import
// which, what the partition core may not do, how large files and functions may
// grow, which calls are banned where, and that everything exported is
// documented.
//
// A rule is a row of Rules with the reason beside it. Where a rule must not
// hold, Exceptions says for which file or function and why; an exception that
// is no longer needed is a violation too. Each rule has a file in testdata that
// breaks it, so that a rule which stopped working is noticed.
package arch
