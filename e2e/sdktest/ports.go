package sdktest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
)

// Ports of servers lie below those that a system gives to whoever connects somewhere:
// none of these takes the port of a server that has been killed, and that is to come
// back there.
const firstPort, lastPort = 12_000, 32_000

// given are the ports that this process has given out. A port is free again until its
// server listens, and must not be given twice.
var given struct {
	sync.Mutex
	ports  map[int]bool
	random *rand.Rand // of each process another one
}

// freePort returns an address of this machine that nothing listens at, another one each
// time.
func freePort(t testing.TB) string {
	t.Helper()
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports, given.random = map[int]bool{}, rand.New(rand.NewPCG(uint64(os.Getpid()), 0))
	}
	for range 1000 {
		port := firstPort + given.random.IntN(lastPort-firstPort)
		address := fmt.Sprintf("127.0.0.1:%d", port)
		if given.ports[port] {
			continue
		}
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			given.ports[port] = true
			return address
		}
	}
	t.Fatalf("there is no free port from %d to %d", firstPort, lastPort)
	return ""
}
