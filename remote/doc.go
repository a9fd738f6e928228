// Package remote runs the programs that package durable describes against a hub
// that a server has open, instead of a directory:
//
//	hub, err := remote.Dial("localhost:4001", netherite.Serve(Greet, Tour))
//
// is to a server of this project what netherite.Open is to a directory. The hub
// it returns starts, finds and messages instances, and its worker runs the code
// given with Serve, over the protocol of the Durable Task SDKs.
//
// Everything goes on by itself when the server, the network or this program's
// connection fails: calls are sent again until their context ends, and take effect
// once; the worker connects again, and what it had is offered to it once more. What
// holds for the steps and activities of an embedded hub when its process crashes
// holds here when the connection breaks: a step has all of its effects or none, an
// activity may run a second time, with the same idempotency key.
//
// What the protocol has no words for, such as request keys, the attempt of an
// activity or its cancellation, rides in fields that other SDKs skip. Against
// another server that speaks the protocol it is missing.
package remote
