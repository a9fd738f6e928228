package netherite

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// log of a keeper under test: partition i appends in turn, a record of ten bytes.
type keeperLog struct {
	k       *keeper
	end     substrate.Offset
	records int64
}

func newKeeperLog(partitions int, limit Checkpoint) *keeperLog {
	n := &node{e: &Engine{}, opts: &Options{Checkpoint: limit}}
	n.e.feed = newFeed(n.e)
	n.e.feed.node = n
	n.params.Partitions = partitions
	for id := range partitions {
		n.hosts = append(n.hosts, &host{n: n, id: id})
	}
	n.keeper = newKeeper(n)
	return &keeperLog{k: n.keeper}
}

func (l *keeperLog) append(id int) {
	l.end += 10
	l.records++
	l.k.n.hosts[id].appended.Store(uint64(l.end))
}

// tick does what a Tick does, with captures that take no time.
func (l *keeperLog) tick() (captured []int, flushed bool) {
	ahead := l.k.look(l.end, l.records, false)
	for _, id := range ahead.due {
		l.k.last = extent{l.end, l.records}
		p := &l.k.parts[id]
		p.applied, p.appliedRecords = substrate.Stamp{Offset: l.end}, l.records
	}
	if ahead.flush {
		for id := range l.k.parts {
			p := &l.k.parts[id]
			p.flushed, p.flushedRecords = p.applied, p.appliedRecords
		}
	}
	return ahead.due, ahead.flush
}

func TestKeeperDoesNotSleepOverWhatCameWhileItLooked(t *testing.T) {
	for name, come := range map[string]func(*node){
		"nothing": func(*node) {},
		"a record": func(n *node) {
			n.commit.append(partition.ChunkHeader{}, make([]byte, 10), 1, true, nil, new(atomic.Uint64))
		},
		"held starts":       func(n *node) { n.hosts[1].holding.Store(true) },
		"work without code": func(n *node) { n.e.feed.miss(n, handler{}, engine.Token{}, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			log, err := mem.NewLogDisk().Open()
			if err != nil {
				t.Fatal(err)
			}
			k := newKeeperLog(2, Checkpoint{}).k
			k.n.commit = newCommitter(log, sysclock.New(), 0, nil)
			k.end = k.n.commit.end()
			come(k.n)
			k.sleep()
			if woken := len(k.stir) == 1; woken == k.asleep.Load() || woken == (name == "nothing") {
				t.Errorf("woken: %t, asleep: %t", woken, k.asleep.Load())
			}
		})
	}
}

// What waits for code is to be mentioned: by a keeper that sleeps, too.
func TestKeeperIsWokenByWorkThatNobodyHasCodeFor(t *testing.T) {
	k := newKeeperLog(2, Checkpoint{}).k
	k.asleep.Store(true)
	if !k.n.e.feed.miss(k.n, handler{}, engine.Token{}, 0) {
		t.Fatal("it is not noted")
	}
	if len(k.stir) == 0 || k.asleep.Load() {
		t.Errorf("the keeper sleeps: %t", k.asleep.Load())
	}
}

func TestPartitionsTakeTurnsWithTheirCheckpoints(t *testing.T) {
	const partitions, distance = 8, 8_000
	for name, limit := range map[string]Checkpoint{
		"by records": {Records: distance, Bytes: 1 << 50},
		"by bytes":   {Records: 1 << 40, Bytes: 10 * distance},
	} {
		t.Run(name, func(t *testing.T) {
			l := newKeeperLog(partitions, limit)
			captures, flushes := make([]int, partitions), 0
			for range 10 * distance {
				l.append(int(l.records) % partitions)
				due, flush := l.tick()
				if len(due) > 1 {
					t.Fatalf("after %d records partitions %v are captured at once", l.records, due)
				}
				for _, id := range due {
					captures[id]++
				}
				if flush {
					flushes++
				}
				for id := range l.k.parts {
					if far := l.records - l.k.parts[id].flushedRecords; far > distance {
						t.Fatalf("a crash would replay %d records of partition %d, want at most %d", far, id, distance)
					}
				}
			}
			for id, n := range captures {
				if n < flushes || n > flushes+1 {
					t.Errorf("partition %d has had %d captures for %d flushes: %v", id, n, flushes, captures)
				}
			}
			if flushes < 20 || flushes > 30 {
				t.Errorf("%d flushes for ten distances, want two to three for each", flushes)
			}
		})
	}
}

func TestQuietPartitionIsCapturedAndThenLeftAlone(t *testing.T) {
	const distance = 8_000
	l := newKeeperLog(8, Checkpoint{Records: distance, Bytes: 1 << 50})
	l.append(7)
	quiet := 0
	for range 5 * distance {
		l.append(int(l.records) % 7)
		due, _ := l.tick()
		for _, id := range due {
			if id == 7 {
				quiet++
			}
		}
	}
	if quiet != 1 {
		t.Errorf("a partition with one record was captured %d times", quiet)
	}
	if l.k.parts[7].flushed.Offset == 0 {
		t.Error("its record keeps the log")
	}
}

// Whoever lets the log go looks at what is durable, and then at what of it the store
// lacks. So how far a partition has appended is known before that can be committed.
func TestNothingCanBeCommittedBeforeItIsKnownToBeAppended(t *testing.T) {
	log, err := new(mem.LogDisk).Open()
	if err != nil {
		t.Fatal(err)
	}
	c := newCommitter(log, sysclock.New(), -1, func(time.Duration) bool { return false })
	var appended atomic.Uint64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 50_000 {
			c.append(partition.ChunkHeader{}, []byte("record"), 1, false, nil, &appended)
		}
	}()
	for !isClosed(done) {
		c.mu.Lock()
		end := c.open.end // a commit would take all of it
		known := substrate.Offset(appended.Load())
		c.mu.Unlock()
		if known < end {
			t.Errorf("%d could be committed, and %d is known to be appended", end, known)
			break
		}
	}
	<-done
}
