package faultfs

import "errors"

// Kind is a kind of operation.
type Kind string

// The kinds of operations that a Fault sees.
const (
	OpCreate  Kind = "create"
	OpOpen    Kind = "open"
	OpLink    Kind = "link"
	OpRemove  Kind = "remove"
	OpRename  Kind = "rename"
	OpMkdir   Kind = "mkdir"
	OpList    Kind = "list"
	OpRead    Kind = "read"
	OpWrite   Kind = "write"
	OpSync    Kind = "sync"    // of a file, its data only or all
	OpSyncDir Kind = "syncdir" // of a directory
)

// Op is an operation that is about to happen.
type Op struct {
	Kind Kind
	Path string // absolute
	N    int    // counts the operations of this kind, from 1
	Size int    // bytes to read or write
}

// Fault is called before each operation, without a lock, and may make it fail by
// returning an error. A write that fails writes the first half of its sectors. A
// sync that fails leaves the written sectors marked as clean though they are not
// durable, as Linux does. ErrLie makes a sync succeed without doing anything.
type Fault func(Op) error

// ErrLie is what a Fault returns to make an operation report success without
// having an effect. It is meant for syncs.
var ErrLie = errors.New("report success, do nothing")

// ErrKilled is returned by every operation after Kill.
var ErrKilled = errors.New("file system was killed")

// FailNth makes the n-th operation of a kind fail.
func FailNth(kind Kind, n int, err error) Fault {
	return func(op Op) error {
		if op.Kind == kind && op.N == n {
			return err
		}
		return nil
	}
}
