// Package gate decides who may come in, and what for: it authenticates the callers
// of all doors (API keys, JWT, client certificates), and has one table of the role
// that each remote call and each HTTP route needs.
//
// Nothing is open by accident: a listener that can be reached from other machines
// is refused without TLS and an authenticator, and an operation that the table
// does not have is refused to everybody.
package gate
