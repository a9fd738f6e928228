package pebblestore

import (
	"bytes"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/substrate"
)

// placeBytes is how much of tables a view keeps in memory to find rows in, beyond one.
const placeBytes = 32 << 20

// Place says where in the store's files the newest version of a row lies: the table,
// relative to the store's directory, and where in it the block begins that has the
// row. A row that is in no table, or in none that can be read, has no file.
func (v *View) Place(space substrate.Space, key []byte) (file string, offset int64, err error) {
	name, db, o := mainDir, v.s.main, v.s.mainOptions()
	if space != substrate.Main {
		name, db, o = historyDir, v.s.history, v.s.historyOptions()
	}
	if db == nil {
		return "", 0, nil
	}
	levels, err := db.SSTables(pebble.WithKeyRangeFilter(key, successor(key)))
	if err != nil {
		return "", 0, v.s.explain(err)
	}
	f := newFormat(o, v.s.opts.Hub)
	var newest uint64
	for _, level := range levels {
		for _, t := range level {
			table := fmt.Sprintf("%s/%06d.sst", name, t.BackingSSTNum) // its own number, but of a part of a table
			p, err := v.table(table, f)
			if err != nil {
				return "", 0, err
			}
			if begin, seq, ok := p.find(key); ok && (file == "" || seq > newest) {
				file, offset, newest = table, begin, seq
			}
		}
	}
	return file, offset, nil
}

// table takes a table apart, or finds it among the last ones.
func (v *View) table(file string, f format) (*parts, error) {
	if p := v.tables[file]; p != nil {
		return p, nil
	}
	data, err := readWhole(v.s.opts.FS, v.s.opts.FS.PathJoin(v.s.opts.Dir, file))
	if err != nil {
		return nil, v.s.explain(err)
	}
	if v.tableBytes += len(data); v.tables == nil || v.tableBytes > placeBytes {
		v.tables, v.tableBytes = map[string]*parts{}, len(data)
	}
	p := takeApart(data, f.read, f.schema)
	v.tables[file] = p
	return p, nil
}

// find returns where the block begins that has the newest version of a row, and the
// sequence number of that.
func (p *parts) find(key []byte) (begin int64, seq uint64, found bool) {
	for _, c := range p.chunks {
		for i := range c.items {
			if it := &c.items[i]; bytes.Equal(it.key, key) && (!found || it.seq > seq) {
				begin, seq, found = int64(c.begin), it.seq, true
			}
		}
	}
	return begin, seq, found
}
