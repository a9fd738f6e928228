// Package server assembles what the netherite command serves: task hubs in one
// data directory, the doors of package door in front of them, and the gate that
// says who may come in. It holds no logic of its own but the beginning and the end.
package server
