package remote_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
)

var (
	echoes = durable.Orchestration("Echoes", func(ctx *durable.Context, s string) (string, error) { return echo.Call(ctx, s).Await() })
	byName = engine.Query{Names: []string{"Echoes"}}
)

// proxy passes connections on to a server, and cuts them.
type proxy struct {
	address string
	to      string

	mu    sync.Mutex
	conns []net.Conn
	cuts  int
}

func newProxy(t *testing.T, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: l.Addr().String(), to: to}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			for _, c := range [][2]net.Conn{{in, out}, {out, in}} {
				wg.Go(func() {
					_, _ = io.Copy(c[0], c[1])
					_ = c[0].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		wg.Wait()
	})
	return p
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	if len(p.conns) > 0 {
		p.cuts++
	}
	p.conns = nil
}
