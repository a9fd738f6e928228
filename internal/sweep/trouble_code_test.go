package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/netherite-go/netherite/durable"
)

// errand is who enters how much into which book, or tells whom.
type errand struct {
	To string
	N  int
}

type brittleStep struct {
	Instance string
	Step     int
}

// fragile is what a shaky orchestration does: so many steps, each of which it enters
// into a book.
type fragile struct {
	Book  string
	Steps int
}

var (
	// books keep what is entered, as often as it is.
	books = durable.Entity[[]string]("book")
	enter = durable.Operation(books, "enter", func(s *[]string, _ *durable.EntityContext, entry string) (int, error) {
		*s = append(*s, entry)
		return len(*s), nil
	})

	// brief ends at once; neither it nor a guest, who is told to go, is kept for long.
	brief = durable.Orchestration("Brief", func(_ *durable.Context, n int) (int, error) { return n, nil })
	guest = durable.Orchestration("BriefGuest", listen)

	// sends enters something into a book, and does not wait for that.
	sends = durable.Orchestration("Sends", func(ctx *durable.Context, e errand) (int, error) {
		for i := range e.N {
			if err := enter.Signal(ctx, books.Key(e.To), entry(ctx.ID(), i)); err != nil {
				return 0, err
			}
		}
		return e.N, nil
	})

	// tells tells a listener its first words.
	tells = durable.Orchestration("Tells", func(ctx *durable.Context, e errand) (int, error) {
		for i := range e.N {
			if err := said.Send(ctx, e.To, word(e.To, i)); err != nil {
				return 0, err
			}
		}
		return e.N, nil
	})

	// writes enters something into several books, which it has to itself.
	writes = durable.Orchestration("Writes", func(ctx *durable.Context, all []string) (int, error) {
		keys := make([]durable.Lockable, len(all))
		for i, book := range all {
			keys[i] = books.Key(book)
		}
		unlock, err := durable.Lock(ctx, keys...)
		if err != nil {
			return 0, err
		}
		defer unlock()
		for i, book := range all {
			if _, err := enter.Call(ctx, books.Key(book), entry(ctx.ID(), i)).Await(); err != nil {
				return i, err
			}
		}
		return len(all), nil
	})

	brittle = durable.DeclareActivity[brittleStep, int]("Brittle")

	// shaky fails at each step, until that is mended.
	shaky = durable.Orchestration("Shaky", func(ctx *durable.Context, f fragile) (string, error) {
		for step := range f.Steps {
			if err := enter.Signal(ctx, books.Key(f.Book), entry(ctx.ID(), step)); err != nil {
				return "", err
			}
			if _, err := brittle.Call(ctx, brittleStep{ctx.ID(), step}).Await(); err != nil {
				return "", err
			}
		}
		return "whole", nil
	})

	// relay is a listener that continues as new after each word, until that is "end".
	relay = durable.DeclareOrchestration[int, int]("Relay")
)

func entry(id string, i int) string { return fmt.Sprint(id, "/", i) }

// short is a word without padding.
func short(id string, i int) string { return strings.TrimRight(word(id, i), ".") }

func pass(ctx *durable.Context, heard int) (int, error) {
	s, err := said.Wait(ctx, durable.Forever)
	switch {
	case err != nil:
		return heard, err
	case s == "end":
		return heard, nil
	case s != short(ctx.ID(), heard):
		return heard, fmt.Errorf("word %d is %.20q", heard, s)
	}
	return relay.Again(heard + 1)
}

// mending says which steps succeed.
type mending struct {
	mu  sync.Mutex
	all bool
	of  map[string]int // by instance, how many
}

func newMending() *mending { return &mending{of: map[string]int{}} }

func mended() *mending { return &mending{all: true} }

// mend makes another step of an instance succeed.
func (m *mending) mend(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of[id]++
}

func (m *mending) do(_ context.Context, s brittleStep) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all || s.Step < m.of[s.Instance] {
		return s.Step, nil
	}
	return 0, errors.New("it does not hold")
}

func troubleCode(m *mending) []durable.Handler {
	return []durable.Handler{books, brief, guest, sends, tells, writes, brittle.By(m.do), shaky, relay.By(pass)}
}
