package netherite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
)

// countedStorage counts the rows that are read of views of its store, and their
// bytes.
type countedStorage struct {
	netherite.Storage
	rows, bytes atomic.Int64
}

func (c *countedStorage) OpenStore(memory int64) (substrate.Store, error) {
	s, err := c.Storage.OpenStore(memory)
	return countedStore{s, c}, err
}

func (c *countedStorage) reset() { c.rows.Store(0); c.bytes.Store(0) }

type countedStore struct {
	substrate.Store
	c *countedStorage
}

func (s countedStore) Snapshot() substrate.Snapshot { return countedView{s.Store.Snapshot(), s.c} }

type countedView struct {
	substrate.Snapshot
	c *countedStorage
}

func (v countedView) Get(s substrate.Space, key []byte) ([]byte, error) {
	value, err := v.Snapshot.Get(s, key)
	v.c.rows.Add(1)
	v.c.bytes.Add(int64(len(value)))
	return value, err
}

const (
	largeOnes  = 60
	largeInput = 100 << 10
)

// openLarge opens a hub with instances that have large inputs.
func openLarge(t *testing.T, s netherite.Storage, change ...func(*netherite.Options)) *netherite.Engine {
	t.Helper()
	e := openHub(t, s, append([]func(*netherite.Options){func(o *netherite.Options) { o.CheckReplay = false }}, change...)...)
	for n := range largeOnes {
		r := engine.StartRequest{Instance: fmt.Sprintf("large-%02d", n), Name: "Unknown", Input: bytes.Repeat([]byte{'x'}, largeInput)}
		_, err := e.Start(t.Context(), r)
		if errors.Is(err, engine.ErrBusy) {
			if err := e.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, err = e.Start(t.Context(), r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// readAll reads all pages of a query, and returns how many instances each had.
func readAll(t *testing.T, e engine.Client, q engine.Query) (sizes []int) {
	t.Helper()
	seen := map[string]bool{}
	for {
		p, err := e.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, i := range p.Instances {
			if seen[i.ID] {
				t.Errorf("%s is listed twice", i.ID)
			}
			seen[i.ID] = true
			size += i.Size()
		}
		if most := q.MaxBytes; most > 0 && size > most && len(p.Instances) > 1 {
			t.Errorf("a page of %d instances has %d bytes, at most %d were asked for", len(p.Instances), size, most)
		}
		sizes = append(sizes, len(p.Instances))
		if q.Token = p.Token; p.Token == "" {
			break
		}
		if len(p.Instances) == 0 {
			t.Fatal("a page has no instance and is not the last one")
		}
	}
	if len(seen) != largeOnes {
		t.Errorf("%d instances are listed, there are %d", len(seen), largeOnes)
	}
	return sizes
}

func TestAPageEndsBeforeItHasTooManyBytes(t *testing.T) {
	for _, partitions := range []int{1, 4} {
		pagesEnd(t, openLarge(t, newMemory(partitions)))
	}
}

func pagesEnd(t *testing.T, e *netherite.Engine) {
	t.Helper()
	payloads := engine.GetOptions{Payloads: true}
	check := func(when string) {
		t.Helper()
		for _, c := range []struct {
			q     engine.Query
			pages int
		}{
			{engine.Query{MaxBytes: 1, GetOptions: payloads}, largeOnes},
			{engine.Query{MaxBytes: 1, GetOptions: payloads, IDPrefix: "large"}, largeOnes},
			{engine.Query{MaxBytes: 250 << 10, GetOptions: payloads}, largeOnes / 2},
			{engine.Query{MaxBytes: 250 << 10, GetOptions: payloads, PageSize: 1}, largeOnes},
			{engine.Query{PageSize: largeOnes, GetOptions: payloads}, (largeOnes*(largeInput+1000) + engine.MaxPageBytes) / engine.MaxPageBytes},
			{engine.Query{PageSize: largeOnes, MaxBytes: 250 << 10}, 1},
		} {
			if sizes := readAll(t, e, c.q); len(sizes) != c.pages {
				t.Errorf("%s, at most %d and %d bytes: pages of %v, want %d of them", when, c.q.PageSize, c.q.MaxBytes, sizes, c.pages)
			}
		}
	}
	check("from memory")
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("from the store")
	if _, err := e.Query(t.Context(), engine.Query{MaxBytes: -1}); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("a page of less than nothing: %v", err)
	}
}

// What is read grows with what is listed, whatever the size of the pages: of each
// page one instance is read that is not in it.
func TestReadingAllPagesReadsEachInstanceOnceAndOneMoreForEachPage(t *testing.T) {
	s := &countedStorage{Storage: newMemory(8)}
	e := openLarge(t, s)
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, q := range []engine.Query{
		{MaxBytes: 1}, {MaxBytes: 550 << 10}, {MaxBytes: 550 << 10, IDPrefix: "large"}, {PageSize: 7}, {PageSize: 1000}, {PageSize: 7, Statuses: []model.Status{model.Pending}},
	} {
		q.Payloads = true
		s.reset()
		pages := len(readAll(t, e, q))
		if rows, most := s.rows.Load(), int64(largeOnes+pages); rows > most {
			t.Errorf("%d pages of at most %d and %d bytes: %d rows were read, want at most %d", pages, q.PageSize, q.MaxBytes, rows, most)
		}
		if read, most := s.bytes.Load(), int64(largeOnes+pages)*(largeInput+1000); read > most {
			t.Errorf("%d pages of at most %d and %d bytes: %d bytes were read, want at most %d", pages, q.PageSize, q.MaxBytes, read, most)
		}
	}
}

// A name is a part of the row that it was read from: who holds it must not hold
// all of that.
func TestAPageWithoutPayloadsHoldsNone(t *testing.T) {
	e := openLarge(t, newMemory(2))
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var held []engine.Page
	before := heap()
	for range 4 {
		p, err := e.Query(t.Context(), engine.Query{PageSize: largeOnes})
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, p)
	}
	if grown := heap() - before; grown > largeOnes*largeInput {
		t.Errorf("%d pages without payloads hold %d bytes", len(held), grown)
	}
	runtime.KeepAlive(held)
}

// small gives a hub a limit with a small share for pages.
func small(o *netherite.Options) { o.Memory = 48 << 20 }

const smallShare = 3 << 19

func TestWhatAllQueriesUnderWayHaveReadIsBounded(t *testing.T) {
	e := openLarge(t, newMemory(4), small)
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var held, peak int
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			q := engine.Query{PageSize: 1000, GetOptions: engine.GetOptions{Payloads: true}}
			for total := 0; ; {
				ctx, sent := context.WithCancel(t.Context())
				p, err := e.Query(engine.UntilDone(ctx), q)
				if err != nil {
					t.Error(err)
					sent()
					return
				}
				size := 0
				for _, i := range p.Instances {
					size += i.Size()
				}
				mu.Lock()
				held += size
				peak = max(peak, held)
				mu.Unlock()
				runtime.Gosched()
				mu.Lock()
				held -= size
				mu.Unlock()
				sent()
				total += len(p.Instances)
				if q.Token = p.Token; q.Token == "" {
					if total != largeOnes {
						t.Errorf("%d instances are listed, there are %d", total, largeOnes)
					}
					return
				}
			}
		})
	}
	wg.Wait()
	if peak > smallShare {
		t.Errorf("%d bytes of pages were held at a time, at most %d may be", peak, smallShare)
	}
	if peak < smallShare/2 {
		t.Errorf("no more than %d bytes of pages were held at a time", peak)
	}
}

func TestWhoFindsNoRoomForAPageWaitsAndIsRefusedAfterAWhile(t *testing.T) {
	clock := mem.NewClock(time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC))
	e := openLarge(t, newMemory(4), small, func(o *netherite.Options) { o.Clock = clock })
	q := engine.Query{PageSize: 1000, GetOptions: engine.GetOptions{Payloads: true}}
	ctx, sent := context.WithCancel(t.Context())
	defer sent()
	p, err := e.Query(engine.UntilDone(ctx), q)
	if err != nil || p.Token == "" {
		t.Fatalf("%d instances, token %q, %v", len(p.Instances), p.Token, err)
	}
	outcome := make(chan error)
	ask := func() {
		go func() {
			_, err := e.Query(t.Context(), q)
			outcome <- err
		}()
		e.WaitingForPages(1)
	}
	ask()
	if _, err := e.Query(t.Context(), engine.Query{IDPrefix: "nothing", GetOptions: q.GetOptions}); err != nil {
		t.Errorf("a query that finds nothing: %v", err)
	}
	if _, err := e.Start(t.Context(), engine.StartRequest{Name: "Unknown"}); err != nil {
		t.Errorf("a start, while there is no room for pages: %v", err)
	}
	clock.Advance(time.Minute)
	if err := <-outcome; !errors.Is(err, engine.ErrBusy) {
		t.Errorf("without room: %v", err)
	}
	ask()
	sent()
	if err := <-outcome; err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestWhatAllHistoriesUnderWayHaveIsBounded(t *testing.T) {
	clock := mem.NewClock(time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC))
	e := openHub(t, newMemory(1), small, func(o *netherite.Options) { o.Clock, o.CheckReplay = clock, false })
	w := helloWorker()
	w.connect(t, e)
	defer w.close()
	if _, err := e.Start(t.Context(), engine.StartRequest{Instance: "long", Name: "Hello5", Input: bytes.Repeat([]byte{'x'}, smallShare)}); err != nil {
		t.Fatal(err)
	}
	if _, err := ended(t.Context(), e, "long"); err != nil {
		t.Fatal(err)
	}
	ctx, sent := context.WithCancel(t.Context())
	defer sent()
	events, err := e.History(engine.UntilDone(ctx), "long") // larger than all the room
	if err != nil || len(events) == 0 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	outcome := make(chan error)
	go func() {
		_, err := e.History(t.Context(), "long")
		outcome <- err
	}()
	e.WaitingForHistories(1)
	if _, err := e.Query(t.Context(), engine.Query{}); err != nil {
		t.Errorf("a query, while there is no room for histories: %v", err)
	}
	clock.Advance(time.Minute)
	if err := <-outcome; !errors.Is(err, engine.ErrBusy) {
		t.Errorf("without room: %v", err)
	}
	sent()
	if _, err := e.History(t.Context(), "long"); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// Pages that are read at a time have each noted what of the partitions is not stored
// yet: that is bounded, too.
func TestOnlySoManyPagesAreReadAtATime(t *testing.T) {
	var stuck atomic.Bool
	release := make(chan struct{})
	clock := mem.NewClock(time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC))
	e := openLarge(t, newMemory(1), func(o *netherite.Options) {
		o.Clock = clock
		o.BeforeStep(func(int, partition.Event) {
			if stuck.Load() {
				<-release
			}
		})
	})
	stuck.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = e.Start(t.Context(), engine.StartRequest{Name: "Unknown"}) })
	outcome := make(chan error)
	const many = 50
	for range many {
		wg.Go(func() {
			_, err := e.Query(t.Context(), engine.Query{})
			outcome <- err
		})
	}
	waits := e.WaitingToRead(many - netherite.PagesAtOnce)
	clock.Advance(time.Minute)
	for range waits {
		if err := <-outcome; !errors.Is(err, engine.ErrBusy) {
			t.Errorf("one too many: %v", err)
		}
	}
	stuck.Store(false)
	close(release)
	for range many - waits {
		if err := <-outcome; err != nil {
			t.Errorf("one that was read: %v", err)
		}
	}
	wg.Wait()
}
