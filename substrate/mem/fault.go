package mem

// Op names an operation that a test can make fail.
type Op string

// The operations.
const (
	OpWrite Op = "write" // Log.Write
	OpSync  Op = "sync"  // Log.Sync that has something to sync
	OpTrim  Op = "trim"  // Log.Trim
	OpApply Op = "apply" // Store.Apply
	OpFlush Op = "flush" // Store.Flush
	OpGet   Op = "get"   // Get of a store or snapshot
	OpScan  Op = "scan"  // Scan of a store or snapshot
)

// Fault decides whether the n-th operation of its kind (from 1, counted over
// the life of the disk) fails, and how. It is called with a lock held and must
// not call back. An error that wraps substrate.ErrDiskFull refuses the one
// operation; any other is final for logs, Apply and Flush.
type Fault func(op Op, n int) error

// FailNth makes the n-th operation of a kind fail.
func FailNth(op Op, n int, err error) Fault {
	return func(o Op, i int) error {
		if o == op && i == n {
			return err
		}
		return nil
	}
}

// faults counts operations and asks the fault.
type faults struct {
	fault  Fault
	counts map[Op]int
}

func (f *faults) check(op Op) error {
	if f.counts == nil {
		f.counts = make(map[Op]int)
	}
	f.counts[op]++
	if f.fault == nil {
		return nil
	}
	return f.fault(op, f.counts[op])
}
