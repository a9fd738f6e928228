package netherite

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

// maxLostNames bounds the instances that a Loss names.
const maxLostNames = 1000

// Loss is what a partition loses, or may lose, of what was acknowledged.
type Loss struct {
	Partition int
	// Certain: records are missing, or cannot be applied without those that are.
	// Else the log has a hole, or its end is lost, and nothing tells whether any of this
	// partition were in it.
	Certain bool
	After   engine.Name      // the last record that is kept
	From    substrate.Offset // in the log: what is lost lies behind it
	Dropped int64            // records that can be read, and cannot be applied
	// Instances that dropped records are about, as far as these name them, at most
	// 1,000.
	Instances []string
	Reason    string
}

// Mend is what was done about a pair of partitions.
type Mend struct {
	From, To    int
	First, Last uint64 // messages, by number
	// Kind is "again": To does not know any more what it has received, and gets all
	// that From retains, of which some may take effect twice; "repeated": To has received messages that From does not remember to
	// have sent, and will send the like again, which may take effect twice;
	// "resent": To had lost messages, which are sent again; or "lost": neither of
	// the two has them any more.
	Kind string
}

// Salvage is the result of a Salvager.
type Salvage struct {
	Base    substrate.Offset // the log goes on from here; all before is in the store
	Records int64            // replayed
	Losses  []Loss
	Mends   []Mend
}

// Loses reports whether anything acknowledged is lost, or may be.
func (s *Salvage) Loses() bool { return len(s.Losses) > 0 }

// SalvageSource is what is left of a hub.
type SalvageSource struct {
	Storage SideStorage // its log is only read, its store is a copy, to be written
	// Gaps are parts of the log that are missing, from the first offset to the
	// second.
	Gaps [][2]substrate.Offset
	// EndLost: nobody knows whether the log had gone on beyond its end.
	EndLost bool
	// Outdated: the store is not the newest copy. Of what happened between a partition's
	// state and the beginning of the log nobody knows.
	Outdated bool
	// Sifted partitions have those rows that were left.
	Sifted map[int]*Sifted
}

// limit is a chunk that cannot be applied.
type limit struct {
	first  engine.Name
	reason error
}

// salvager replays what is left of a hub, partition by partition, as far as each
// can go.
type salvager struct {
	src    SalvageSource
	n      *node
	limits map[int]limit // chunks that are not to be applied, by partition
	losses map[int]*Loss
	seen   map[[2]int]map[uint64]*model.Message // in dropped records, by origin and destination
	again  bool
}

// Recover replays what is left of a hub into its store, as far as each partition
// can go, brings what partitions know of each other into agreement, and stamps
// all of them with the same offset: so that the store is the whole hub, and an
// empty log can go on from there.
func (src SalvageSource) Recover(o Options) (*Salvage, error) {
	o.Storage = src.Storage
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &salvager{src: src, limits: map[int]limit{}}
	e := &Engine{opts: o, params: o.Storage.Parameters(), log: o.Logger}
	e.feed = newFeed(e)
	wal, err := o.Storage.OpenLog()
	if err != nil {
		return nil, storageError(err)
	}
	store, err := o.Storage.OpenStore(storeShare(o.Memory))
	if err != nil {
		return nil, errors.Join(storageError(err), wal.Close())
	}
	side, err := src.Storage.OpenSideFiles()
	for again := true; again && err == nil; again = s.again {
		s.n = newNode(e, wal, store)
		s.n.side = side
		err = s.pass()
		s.n.net.Close()
	}
	var done *Salvage
	if err == nil {
		done, err = s.finish()
	}
	return done, storageError(errors.Join(err, store.Close(), wal.Close()))
}

// pass replays everything. If a partition fails in the middle of a chunk, its
// state is of no use: the next pass leaves that chunk out.
func (s *salvager) pass() error {
	s.n.e.metrics.replayed.Store(0)
	s.again, s.losses, s.seen = false, map[int]*Loss{}, map[[2]int]map[uint64]*model.Message{}
	for _, h := range s.n.hosts {
		if err := s.restore(h); err != nil {
			return err
		}
	}
	return s.n.wal.Replay(s.n.wal.Begin(), func(at substrate.Offset, group []byte) error {
		err := eachChunk(at, group, func(l logged) error {
			if l.chunk.Partition >= 0 && l.chunk.Partition < len(s.n.hosts) {
				return s.chunk(s.n.hosts[l.chunk.Partition], l)
			}
			return nil
		})
		if isDamage(err) {
			return nil // the rest of a group that makes no sense: a gap for whom it concerns
		}
		return err
	})
}

// restore sets a partition to its stored state and what its side file has.
func (s *salvager) restore(h *host) error {
	stamp, err := s.n.store.Stamp(h.id)
	if err != nil {
		return err
	}
	note, err := readNote(s.n.store, h.id)
	if err == nil {
		s.n.keeper.parts[h.id].note.Store(note)
		err = h.restore(stamp)
	}
	h.guard = s.guard(h)
	if sifted := s.src.Sifted[h.id]; err == nil && sifted != nil && sifted.Singletons {
		s.cut(h, errors.New("the row with the partition's counters was lost: no record can be applied to the rest"))
		return nil
	}
	if err == nil {
		err = h.replaySide()
	}
	if isDamage(err) {
		s.cut(h, err)
		return nil
	}
	return err
}

// chunk applies a chunk of a partition, or counts it as lost.
func (s *salvager) chunk(h *host, l logged) error {
	if l.end <= h.tail {
		return nil
	}
	loss := s.losses[h.id]
	if limit, ok := s.limits[h.id]; ok && loss == nil && l.chunk.First == limit.first {
		loss = s.cut(h, limit.reason)
	}
	if loss == nil {
		if err := follows(h.id, h.name, l.chunk.First); err != nil {
			loss = s.cut(h, err)
		}
	}
	if loss != nil {
		s.drop(h, loss, l)
		return nil
	}
	first := l.chunk.First
	err := h.replayChunk(&l)
	if isDamage(err) {
		s.limits[h.id], s.again = limit{first, err}, true
		s.cut(h, err)
		return nil
	}
	return err
}

// cut ends the replay of a partition.
func (s *salvager) cut(h *host, reason error) *Loss {
	text, _, _ := strings.Cut(reason.Error(), "\n") // a panic has its stack behind it
	l := &Loss{Partition: h.id, Certain: true, After: h.name, From: h.tail, Reason: text}
	s.losses[h.id] = l
	return l
}

// drop takes note of a chunk that is not applied: whom it is about, and which
// messages it has received, so that they can be sent again.
func (s *salvager) drop(h *host, loss *Loss, l logged) {
	for {
		in, ok, err := l.chunk.Next()
		if err != nil || !ok {
			return
		}
		loss.Dropped++
		if r, ok := in.Event.(*partition.Received); ok {
			pair := [2]int{r.Origin, h.id}
			if s.seen[pair] == nil {
				s.seen[pair] = map[uint64]*model.Message{}
			}
			for i, m := range r.Messages {
				s.seen[pair][r.First+uint64(i)] = m
			}
		}
		for _, k := range in.Event.Keys(nil) {
			if k.ID != "" && len(loss.Instances) < maxLostNames && !slices.Contains(loss.Instances, k.ID) {
				loss.Instances = append(loss.Instances, k.ID)
			}
		}
	}
}

// finish settles what the partitions know of each other and writes all to the store.
func (s *salvager) finish() (*Salvage, error) {
	out := &Salvage{Base: s.n.wal.End(), Records: s.n.e.metrics.replayed.Load()}
	for _, h := range s.n.hosts {
		out.Base = max(out.Base, h.tail)
	}
	gaps := append(slices.Clone(s.src.Gaps), [2]substrate.Offset{s.n.wal.End(), out.Base})
	for _, h := range s.n.hosts {
		s.judge(h, gaps)
		if l := s.losses[h.id]; l != nil {
			out.Losses = append(out.Losses, *l)
		}
	}
	for _, a := range s.n.hosts {
		for _, b := range s.n.hosts {
			if a != b {
				out.Mends = s.blanks(s.mend(out.Mends, a, b), a, b)
			}
		}
	}
	for _, h := range s.n.hosts {
		if err := s.save(h, out.Base); err != nil {
			return nil, fmt.Errorf("partition %d: write what was recovered: %w", h.id, err)
		}
	}
	return out, s.n.store.Flush()
}

// judge says what a partition that was replayed to its end may have lost.
func (s *salvager) judge(h *host, gaps [][2]substrate.Offset) {
	if s.losses[h.id] != nil {
		return
	}
	l := &Loss{Partition: h.id, After: h.name, From: max(h.tail, s.n.wal.End())}
	for _, gap := range gaps {
		if gap[1] > max(h.tail, gap[0]) {
			l.From, l.Reason = gap[0], fmt.Sprintf("the log cannot be read from %d to %d, and the partition has no later record", gap[0], gap[1])
			break
		}
	}
	if s.src.EndLost {
		l.Reason = fmt.Sprintf("the end of the log is lost: whatever the partition recorded after offset %d, if anything, is gone", l.From)
	}
	if begin := s.n.wal.Begin(); s.src.Outdated && s.n.keeper.parts[h.id].flushed.Offset < begin {
		l.From = s.n.keeper.parts[h.id].flushed.Offset
		l.Reason = fmt.Sprintf("the stored state is an older copy: whatever the partition recorded between offsets %d and %d, if anything, is gone", l.From, begin)
	}
	if l.Reason != "" {
		s.losses[h.id] = l
	}
}

// mend brings what two partitions know of the messages from a to b into agreement.
func (s *salvager) mend(done []Mend, a, b *host) []Mend {
	first, next := a.state.OutboxRange(b.id)
	if sifted := s.src.Sifted[b.id]; sifted != nil && sifted.Singletons {
		through, known := s.receivedBefore(a, b)
		if b.state.GiveUp(a.id, through); !known && next > first {
			done = append(done, Mend{From: a.id, To: b.id, First: first, Last: next - 1, Kind: "again"})
		}
	}
	seen := b.state.Seen(a.id)
	switch {
	case seen >= next:
		a.state.SkipTo(b.id, seen+1)
		return append(done, Mend{From: a.id, To: b.id, First: next, Last: seen, Kind: "repeated"})
	case seen+1 >= first:
		return done
	}
	// The longest run of messages before those that are retained.
	have := s.seen[[2]int{a.id, b.id}]
	from := first
	for from > seen+1 && have[from-1] != nil {
		from--
	}
	messages := make([]*model.Message, 0, first-from)
	for seq := from; seq < first; seq++ {
		messages = append(messages, have[seq])
	}
	if len(messages) > 0 {
		a.state.Reinsert(b.id, messages)
		done = append(done, Mend{From: a.id, To: b.id, First: from, Last: first - 1, Kind: "resent"})
	}
	if from > seen+1 {
		b.state.GiveUp(a.id, from-1)
		done = append(done, Mend{From: a.id, To: b.id, First: seen + 1, Last: from - 1, Kind: "lost"})
	}
	return done
}

// save writes a partition's state to the store.
func (s *salvager) save(h *host, at substrate.Offset) error {
	b := s.n.store.NewBatch()
	b.Delete(substrate.Main, partition.ParkedKey(h.id))
	h.state.Touch()
	h.state.BeginCapture(writer{b})
	for !h.state.CaptureSome(captureSlice) {
		continue
	}
	err := s.n.store.Apply(b, h.id, substrate.Stamp{Offset: at, Epoch: h.name.Epoch, Record: h.name.Number})
	if err == nil {
		h.state.CaptureApplied()
	}
	return err
}
