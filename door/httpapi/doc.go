// Package httpapi serves task hubs over HTTP: the management API of Durable
// Functions, with its routes, payloads and status codes
// (https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-http-api).
// It is a door: it translates between HTTP and the engine's contract.
package httpapi
