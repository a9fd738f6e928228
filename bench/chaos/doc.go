// Package chaos is what a process serves that is to be killed, stopped, and run
// out of disk: a hub with workflows whose outcome can be audited from outside, and
// a few commands over standard input. Its clients live in another process, which
// keeps a ledger of what it asked for and what it was told, and reach the hub by
// the socket of the directory's owner (internal/process/chaos).
package chaos
