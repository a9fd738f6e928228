package partition

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// A chunk is a run of records that one partition appended together. Its header
// says once what the records share:
//
//	version    uvarint  step version
//	partition  uvarint
//	epoch      uvarint
//	first      uvarint  number of the first record
//	time       varint   wall time of all records, nanoseconds
//	length     uvarint  bytes of records that follow
//
// A record is its kind (1 byte) and the kind's fields; it is as long as they
// are. It holds what cannot be derived from the partition's checkpoint and its
// earlier records: instances by ordinal, a step without the batch it consumed,
// a receipt with the messages.

// ChunkHeader is what the records of a chunk share.
type ChunkHeader struct {
	Version   uint64 // step version; 0 is the present one
	Partition int
	First     engine.Name
	Time      model.Time
}

// AppendChunk appends a header and the records, which must be encoded already.
func AppendChunk(b []byte, h ChunkHeader, records []byte) []byte {
	b = model.AppendUvarint(b, cmp.Or(h.Version, Version))
	b = model.AppendUvarint(b, uint64(h.Partition))
	b = model.AppendUvarint(b, h.First.Epoch)
	b = model.AppendUvarint(b, h.First.Number)
	b = model.AppendVarint(b, int64(h.Time))
	return model.AppendBytes(b, records)
}

// Chunk reads the records of a chunk one by one.
type Chunk struct {
	ChunkHeader
	r model.Reader // of the records; it copies, so that no event keeps a whole group in memory
}

// ReadChunk reads the next chunk of a log group. Its records are decoded as Next
// comes to them, until when the group's memory may not change; the events do not
// share it. A chunk of another step version is refused with
// engine.ErrNewerFormat, a malformed one with engine.ErrDamaged.
func ReadChunk(r *model.Reader) (Chunk, error) {
	version := r.Uvarint()
	if r.Err() == nil && version > Version {
		return Chunk{}, fmt.Errorf("%w: records have step version %d, this program reads up to %d", engine.ErrNewerFormat, version, Version)
	}
	if version == 0 {
		r.Fail("step version 0")
	}
	c := Chunk{ChunkHeader: ChunkHeader{
		Version:   version,
		Partition: readPartition(r),
		First:     engine.Name{Epoch: r.Uvarint(), Number: r.Uvarint()},
		Time:      model.Time(r.Varint()),
	}}
	records := r.Bytes()
	if err := r.Err(); err != nil {
		return Chunk{}, fmt.Errorf("log chunk: %w", damaged(err))
	}
	c.r.Reset(records)
	return c, nil
}

// Next decodes the next record; ok is false at the end.
func (c *Chunk) Next() (in Input, ok bool, err error) {
	if c.r.Len() == 0 && c.r.Err() == nil {
		return Input{}, false, nil
	}
	ev, err := decodeRecord(&c.r, c.Version, c.Time)
	if err != nil {
		return Input{}, false, fmt.Errorf("record %d of epoch %d, partition %d: %w", c.First.Number, c.First.Epoch, c.Partition, damaged(err))
	}
	in = Input{Name: c.First, Time: c.Time, Event: ev}
	c.First.Number++
	return in, true, nil
}

// decodeRecord reads one record of a chunk whose time is t.
func decodeRecord(r *model.Reader, version uint64, t model.Time) (Event, error) {
	ev := decodeFields(r, RecordKind(r.Byte()), version, t)
	return ev, r.Err()
}

// damaged says of an error of decoding that what is stored is damaged.
func damaged(err error) error {
	if errors.Is(err, model.ErrMalformed) {
		return fmt.Errorf("%w: %w", engine.ErrDamaged, err)
	}
	return err
}
