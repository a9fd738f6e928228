// Package durabletask serves task hubs to the Durable Task SDKs of any language,
// over gRPC: TaskHubSidecarService, as they have been built to speak it (package
// wire). It is a door: it translates (package translate) between the protocol and
// the engine's contract, and keeps nothing but what workers have at the moment.
package durabletask
