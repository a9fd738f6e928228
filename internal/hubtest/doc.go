// Package hubtest runs whole hubs in tests that want more than the options of
// users: any options of engine and worker, a disk that crashes, and messages
// between partitions that get lost. Clients may use a hub while it crashes.
package hubtest
