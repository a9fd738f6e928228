package netherite

import (
	"context"
	"sync"
)

// gate counts what is inside and, once shut, lets nothing in.
type gate struct {
	mu     sync.Mutex
	inside int
	isShut bool
	empty  chan struct{}
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isShut {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.isShut {
		close(g.empty)
	}
}

// vacant reports whether nobody is inside.
func (g *gate) vacant() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside == 0
}

// shut closes the gate and waits until nobody is inside, or for ctx.
func (g *gate) shut(ctx context.Context) {
	g.mu.Lock()
	if !g.isShut {
		g.isShut, g.empty = true, make(chan struct{})
		if g.inside == 0 {
			close(g.empty)
		}
	}
	g.mu.Unlock()
	select {
	case <-g.empty:
	case <-ctx.Done():
	}
}
