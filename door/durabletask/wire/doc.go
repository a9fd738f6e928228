// Package wire is the protocol of the Durable Task SDKs: the messages and the
// service of taskhub.proto, generated from it ("make proto").
package wire

//go:generate go run github.com/bufbuild/buf/cmd/buf@v1.75.0 generate
