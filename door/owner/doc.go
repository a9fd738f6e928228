// Package owner is the door through which the owner of a data directory reaches
// the hub that has it open: a unix socket inside the directory, readable and
// writable by that user alone (mode 0600). It carries the client side of the
// engine contract as JSON over HTTP, one POST per call:
//
//	POST /v1/<Method>   request body: the method's arguments
//	200                 {"result": ...}
//	4xx, 5xx            {"error": {"code": "not-found", "message": "..."}}
//
// The protocol is between programs of the same version: a request of another
// version is refused by name. It is no public API; servers have doors of their own.
package owner
