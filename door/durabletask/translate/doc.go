// Package translate turns what the Durable Task protocol says (package wire) into
// the model, and back. It decides nothing.
//
// A string that the protocol may leave out is nil in the model if it was, and
// empty if it was empty: payloads keep the difference. Names, versions and
// identifiers have none: absent and empty are one.
//
// What is not valid UTF-8 cannot be said in the protocol: it is shown with
// replacement characters.
package translate
