package partition

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/model"
)

// Reader reads stored rows. Scan calls f for each key in [low, high) in order
// until it returns false; f may not keep the slices.
type Reader interface {
	Get(main bool, key []byte) ([]byte, error)
	Scan(main bool, low, high []byte, f func(key, value []byte) bool) error
}

// Loaded is what the store says of a key.
type Loaded struct {
	key  Key
	inst *instance // nil: there is none
}

// Missing appends those of the keys that are not known in memory, present or absent.
func (s *State) Missing(dst, keys []Key) []Key {
	for _, k := range keys {
		if _, loaded := s.lookup(k); !loaded {
			dst = append(dst, k)
		}
	}
	return dst
}

// Fetch reads the instance of a key with all that belongs to it. It is a
// function of the reader alone and may run on any goroutine.
func Fetch(r Reader, partition int, k Key) (*Loaded, error) {
	ord := k.Ord
	if k.ID != "" {
		row, err := r.Get(true, idKey(nil, partition, k.ID))
		if err != nil || row == nil {
			return &Loaded{key: k}, err
		}
		if ord, err = ordinalOf(idKey(nil, partition, k.ID), row); err != nil {
			return nil, err
		}
	}
	inst, err := fetchInstance(r, partition, ord)
	if err != nil {
		return nil, fmt.Errorf("load instance %d of partition %d: %w", ord, partition, damaged(err))
	}
	if inst == nil && k.ID != "" {
		return nil, fmt.Errorf("%w: ID row of %q points to %d, which is not there", engine.ErrDamaged, k.ID, ord)
	}
	return &Loaded{key: k, inst: inst}, nil
}

func fetchInstance(r Reader, partition int, ord uint64) (*instance, error) {
	return fetchElements(r, partition, ord, func(*instance, byte, int32) {})
}

// fetchElements is fetchInstance, with a look at each element that has been added.
func fetchElements(r Reader, partition int, ord uint64, added func(inst *instance, sub byte, id int32)) (*instance, error) {
	low, high := instanceKey(nil, partition, ord), instanceKey(nil, partition, ord+1)
	var inst *instance
	var bad error
	err := r.Scan(true, low, high, func(key, value []byte) bool {
		value = slices.Clone(value)
		if sub := key[len(low):]; len(sub) == 0 {
			inst, bad = decodeRow(ord, value)
		} else if inst == nil || len(sub) != 9 {
			bad = fmt.Errorf("%w: element without an instance", engine.ErrDamaged)
		} else {
			number := binary.BigEndian.Uint64(sub[1:])
			if bad = inst.addRow(sub[0], number, value); bad == nil {
				added(inst, sub[0], int32(uint32(number)))
			}
		}
		return bad == nil
	})
	if err = firstError(err, bad); err != nil || inst == nil {
		return nil, err
	}
	if len(inst.held) > 0 && !inst.holds {
		return nil, fmt.Errorf("%w: it has held messages and does not hold any", engine.ErrDamaged)
	}
	inst.tail.first = inst.events
	inst.stored = storedRows{
		row: true, chunks: inst.events > 0,
		name: inst.name, status: inst.status, created: inst.created, tags: inst.tags,
	}
	return inst, nil
}

// addRow adds a stored element to the instance that it belongs to.
func (inst *instance) addRow(sub byte, number uint64, value []byte) error {
	id, err := elementNumber(sub, number)
	if err != nil {
		return err
	}
	switch sub {
	case subInbox:
		e, err := decodeEntry(value, inst.created)
		if err != nil {
			return err
		}
		e.seq, e.stored = number, true
		inst.size += eventSize(&e.event)
		if e.backlog && inst.entity != nil {
			inst.entity.backlog = append(inst.entity.backlog, e)
		} else {
			inst.inbox = append(inst.inbox, e)
		}
	case subHeld:
		h, err := decodeHeld(value, inst.created)
		if err != nil {
			return err
		}
		mark.Hit(mark.HeldLoaded)
		h.seq, h.stored = number, true
		inst.size += eventSize(&h.event)
		inst.held = append(inst.held, h)
	case subTask:
		t, err := decodeTask(value, inst.created)
		if err != nil {
			return err
		}
		t.stored = true
		inst.tasks.add(id, t)
		inst.size += taskSize(t)
	case subWake:
		t, err := decodeWake(id, value, inst.created)
		if err != nil {
			return err
		}
		t.stored = true
		inst.timers.add(id, t)
		inst.size += timerSize(t)
	case subChild:
		c, err := decodeChild(id, value)
		if err != nil {
			return err
		}
		c.stored = true
		inst.children.add(id, c)
		inst.size += childSize
	default:
		return fmt.Errorf("%w: unknown element %q", engine.ErrDamaged, sub)
	}
	return nil
}

// Install puts what was fetched into memory, unless it is known there already.
func (s *State) Install(l *Loaded) {
	if _, loaded := s.lookup(l.key); loaded {
		return
	}
	inst := l.inst
	if inst == nil || s.graves[inst.ord] != nil {
		s.absent[l.key] = struct{}{}
		return
	}
	if known := s.byOrd[inst.ord]; known != nil {
		return
	}
	inst.stored.active = s.active(inst)
	s.byOrd[inst.ord], s.byID[inst.id] = inst, inst
	s.lru.use(inst)
}

// KnowAbsent says that no instance of the ID is stored, so that nobody needs to
// look. It holds until the end of the batch.
func (s *State) KnowAbsent(id string) {
	if k := (Key{ID: id}); s.byID[id] == nil {
		s.absent[k] = struct{}{}
	}
}

// ForgetAbsent ends a batch: what was known not to exist has to be looked up again.
func (s *State) ForgetAbsent() { clear(s.absent) }

// ScanActive lists stored instances, after a given one, that have something to run.
func ScanActive(r Reader, partition int, after uint64, limit int) (ords []uint64, more bool, err error) {
	low, high := tableRange(partition, tableActive)
	if after > 0 {
		low = activeKey(nil, partition, after+1)
	}
	var bad error
	err = r.Scan(true, low, high, func(key, _ []byte) bool {
		if more = len(ords) == limit; more {
			return false
		}
		if bad = keyLength(key, 3+8); bad != nil {
			return false
		}
		ords = append(ords, binary.BigEndian.Uint64(key[3:]))
		return true
	})
	return ords, more, firstError(err, bad)
}

// FetchTimers lists stored timers with from <= FireAt < to, at most limit of
// them, and up to which time the list is complete.
func FetchTimers(r Reader, partition int, from, to model.Time, limit int) (refs []TimerRef, horizon model.Time, err error) {
	low := timerKey(nil, partition, TimerRef{FireAt: from})
	high := timerKey(nil, partition, TimerRef{FireAt: to})
	horizon = to
	var bad error
	err = r.Scan(true, low, high, func(key, _ []byte) bool {
		if bad = keyLength(key, 3+8+8+4); bad != nil {
			return false
		}
		k := key[3:]
		ref := TimerRef{
			FireAt: model.Time(binary.BigEndian.Uint64(k)),
			Ord:    binary.BigEndian.Uint64(k[8:]),
			ID:     int32(binary.BigEndian.Uint32(k[16:])),
		}
		if len(refs) >= limit && ref.FireAt > refs[len(refs)-1].FireAt {
			horizon = ref.FireAt // all of one instant belong together
			return false
		}
		refs = append(refs, ref)
		return true
	})
	return refs, horizon, firstError(err, bad)
}
