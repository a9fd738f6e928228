// Package samples runs whole sample programs of the SDKs' own repositories, as they
// stand there, against "netherite dev" at its usual ports, and compares what they print.
//
// Their source is not here: samples.json names each by repository, path, commit and
// length. So no run of all tests has them: who has a folder with them as
// REPOSITORY/PATH asks for them by a build tag:
//
//	go test -tags samples ./e2e/samples -args -samples DIR
//
// What every run holds is that the page on compatibility tells of each of them.
package samples
