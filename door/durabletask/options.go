package durabletask

import "google.golang.org/grpc"

const (
	// handlers is how many goroutines wait for calls, so that most calls need not
	// begin with a new one, whose stack grows again each time. Clients that wait for
	// instances occupy one each; calls beyond that get one of their own.
	handlers = 256
	// Buffers and a connection's window of this size keep the number of system calls,
	// and of updates of the window, low where much is sent at a time.
	bufferBytes = 64 << 10
	windowBytes = 1 << 20
	// streamBytes is how much of a message comes before anybody has asked for it. The
	// rest of one that is larger comes once it has been let in.
	streamBytes = 64 << 10
)

// ServerOptions are options of a gRPC server that make it fast for this service.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.NumStreamWorkers(handlers), grpc.ReadBufferSize(bufferBytes), grpc.WriteBufferSize(bufferBytes),
		grpc.InitialWindowSize(streamBytes), grpc.InitialConnWindowSize(windowBytes),
	}
}
