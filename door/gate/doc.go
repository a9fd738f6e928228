// Package gate decides who may come in, and what for: it authenticates the callers
// of all doors (API keys, JWT, client certificates), and has one table of the role
// that each remote call and each HTTP route needs.
//
// Nothing is open by accident: a listener that can be reached from other machines
// is refused without TLS and an authenticator, and an operation that the table
// does not have is refused to everybody.
//
// A remote call comes in steps, and is counted before anything of its message is read
// (decisions 0105 and 0106):
//
//   - its caller is known, and may make it (table.go, authenticate.go);
//   - it counts: as one of its caller's calls (gate.go), or, if it answers for work that
//     was given to that caller, against what was given out and for no limit (debts.go);
//   - its message is coming, of which there are only so many (inbound.go), has room in
//     memory before it is asked for (room.go), and is read by the gate (receive.go); what
//     is too large is looked at for whose answer it is, and kept no further (skim.go);
//   - the call is made (method.go); with its end all of that is given back.
//
// Requests over HTTP are counted likewise (http.go), and their bodies have the same room
// (body.go). Streams are watched for as long as they last (watch.go).
package gate
