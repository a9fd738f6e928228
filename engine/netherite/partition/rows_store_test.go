package partition

import (
	"bytes"
	"slices"
)

// rowStore is a store in memory: two ordered maps that are read and written
// through the package's own interfaces.
type rowStore struct{ main, history space }

type space struct {
	keys   [][]byte
	values [][]byte
}

func (p *space) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(p.keys, key, bytes.Compare)
}

func (p *space) set(key, value []byte) {
	key, value = bytes.Clone(key), append([]byte{}, value...)
	i, ok := p.find(key)
	if ok {
		p.values[i] = value
		return
	}
	p.keys, p.values = slices.Insert(p.keys, i, key), slices.Insert(p.values, i, value)
}

func (p *space) deleteRange(low, high []byte) {
	i, _ := p.find(low)
	j, _ := p.find(high)
	if j > i {
		p.keys, p.values = slices.Delete(p.keys, i, j), slices.Delete(p.values, i, j)
	}
}

func (p *space) clone() space { return space{slices.Clone(p.keys), slices.Clone(p.values)} }

// snapshot returns a view that later batches do not change.
func (r *rowStore) snapshot() *rowStore { return &rowStore{r.main.clone(), r.history.clone()} }

func (r *rowStore) space(main bool) *space {
	if main {
		return &r.main
	}
	return &r.history
}

func (r *rowStore) Get(main bool, key []byte) ([]byte, error) {
	p := r.space(main)
	if i, ok := p.find(key); ok {
		return bytes.Clone(p.values[i]), nil
	}
	return nil, nil
}

// Scan lends its slices, and spoils them afterwards.
func (r *rowStore) Scan(main bool, low, high []byte, f func(key, value []byte) bool) error {
	p := r.space(main)
	for i, _ := p.find(low); i < len(p.keys) && (len(high) == 0 || bytes.Compare(p.keys[i], high) < 0); i++ {
		key, value := bytes.Clone(p.keys[i]), bytes.Clone(p.values[i])
		more := f(key, value)
		for _, lent := range [][]byte{key, value} {
			for j := range lent {
				lent[j] = 0xee
			}
		}
		if !more {
			break
		}
	}
	return nil
}

// rowBatch records the changes of a checkpoint until they are applied.
type rowBatch struct {
	changes []func(*rowStore)
	ahead   []func(*rowStore) // of them, what a crash may leave without the rest: history
}

func (b *rowBatch) add(f func(*rowStore)) { b.changes = append(b.changes, f) }

func (b *rowBatch) SetMain(key, value []byte) {
	key, value = bytes.Clone(key), bytes.Clone(value)
	b.add(func(r *rowStore) { r.main.set(key, value) })
}

func (b *rowBatch) DeleteMain(key []byte) {
	key = bytes.Clone(key)
	b.add(func(r *rowStore) { r.main.deleteRange(key, append(bytes.Clone(key), 0)) })
}

func (b *rowBatch) DeleteMainRange(low, high []byte) {
	low, high = bytes.Clone(low), bytes.Clone(high)
	b.add(func(r *rowStore) { r.main.deleteRange(low, high) })
}

func (b *rowBatch) SetHistory(key, value []byte) {
	key, value = bytes.Clone(key), bytes.Clone(value)
	b.add(func(r *rowStore) { r.history.set(key, value) })
	b.ahead = append(b.ahead, b.changes[len(b.changes)-1])
}

func (b *rowBatch) DeleteHistoryRange(low, high []byte) {
	low, high = bytes.Clone(low), bytes.Clone(high)
	b.add(func(r *rowStore) { r.history.deleteRange(low, high) })
}

func (b *rowBatch) applyTo(r *rowStore) {
	for _, change := range b.changes {
		change(r)
	}
}
