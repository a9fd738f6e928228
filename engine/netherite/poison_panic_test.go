package netherite_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/substrate"
)

// touchy is a memory whose store panics, once armed, when it is asked for an instance.
type touchy struct {
	*memory
	instance string
	armed    atomic.Bool
}

type touchyStore struct {
	substrate.Store
	m *touchy
}

func (m *touchy) OpenStore(bytes int64) (substrate.Store, error) {
	s, err := m.memory.OpenStore(bytes)
	return &touchyStore{s, m}, err
}

func (s *touchyStore) Get(space substrate.Space, key []byte) ([]byte, error) {
	if s.m.armed.Load() && bytes.Contains(key, []byte(s.m.instance)) {
		panic("beyond help")
	}
	return s.Store.Get(space, key)
}

// A panic while what caused another one is set aside parks the partition. All that has
// waited for its rebuild is answered: the request that was to blame, and what came after.
func TestPanicWhileAPoisonousInputIsSetAsideLeavesNobodyWaiting(t *testing.T) {
	m := &touchy{memory: newMemory(2), instance: inPartition(0, "poison")}
	e := openHub(t, m, func(o *netherite.Options) {
		o.CheckReplay = false
		o.BeforeStep(func(_ int, ev partition.Event) {
			if s, ok := ev.(*partition.Start); ok && s.Request.Instance == m.instance {
				m.armed.Store(true)
				panic("poison")
			}
		})
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answers := make(chan error, 2)
	e.Together(m.instance, func() {
		for n, id := range []string{m.instance, inPartition(0, "after")} {
			go func() {
				_, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "X"})
				answers <- err
			}()
			e.Arrived(m.instance, n+1)
		}
	})
	for range 2 {
		if err := <-answers; !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("start: %v", err)
		}
	}
	if s := e.Stats(); s.Parked != 1 {
		t.Errorf("%d partitions are parked", s.Parked)
	}
}
