package gate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// An answer that is too large must not be refused: nobody would know what it was
// about, and its work would stay with who does not send it again. So the gate reads
// over it, and keeps what says whose answer it is.

// names are the fields of an answer that say so.
var names = map[protoreflect.Name]bool{"instanceId": true, "taskId": true, "completionToken": true, "operationInfos": true}

// maxNames bounds what is kept of an answer.
const maxNames = 256 << 10

// skim reads over a message that is too large. If it is an answer, m becomes one
// that says so. It has at least size bytes.
func (g *Gate) skim(v *visit, text io.Reader, size int64, m any) error {
	limit := int64(g.limit(v))
	answer, ok := m.(proto.Message)
	if !ok || !v.need.Answers || g.opts.TooLarge == nil {
		return tooLargeIn(size, limit)
	}
	kept, n, err := skimmed(text, answer.ProtoReflect().Descriptor())
	if err == nil {
		err = proto.Unmarshal(kept, answer)
	}
	if err != nil {
		return failedRead(err)
	}
	if !g.opts.TooLarge(answer, n, limit) {
		return tooLargeIn(n, limit)
	}
	v.skimmed = true
	return nil
}

var errSkimmed = errors.New("it is no message of its type")

// skimmed returns the fields of a message that say whose it is, and its size.
func skimmed(text io.Reader, d protoreflect.MessageDescriptor) (kept []byte, size int64, err error) {
	counted := &countedReader{r: text}
	r := bufio.NewReaderSize(counted, 4<<10)
	for {
		tag, err := binary.ReadUvarint(r)
		if errors.Is(err, io.EOF) {
			return kept, counted.n, nil
		} else if err != nil {
			return nil, 0, err
		}
		number, kind := protowire.DecodeTag(tag)
		if number < 0 {
			return nil, 0, errSkimmed
		}
		f := d.Fields().ByNumber(number)
		if kept, err = skimField(r, kept, number, kind, f != nil && names[f.Name()]); err != nil {
			return nil, 0, err
		}
	}
}

// skimField reads over one field, and adds it to what is kept if keep says so.
func skimField(r *bufio.Reader, kept []byte, number protowire.Number, kind protowire.Type, keep bool) ([]byte, error) {
	n := int64(0)
	switch kind {
	case protowire.VarintType:
		v, err := binary.ReadUvarint(r)
		if keep && len(kept) < maxNames {
			kept = protowire.AppendVarint(protowire.AppendTag(kept, number, kind), v)
		}
		return kept, err
	case protowire.Fixed32Type:
		n = 4
	case protowire.Fixed64Type:
		n = 8
	case protowire.BytesType:
		v, err := binary.ReadUvarint(r)
		if n = int64(v); err != nil || n < 0 {
			return nil, errors.Join(errSkimmed, err)
		}
	default:
		return nil, errSkimmed
	}
	if !keep || kind != protowire.BytesType || n > maxNames-int64(len(kept)) { // n may be as large as a number can be
		_, err := io.CopyN(io.Discard, r, n)
		return kept, err
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	return protowire.AppendBytes(protowire.AppendTag(kept, number, kind), b), nil
}

type countedReader struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// rest reads what is left of a message, and asks for a little at a time.
func rest(s transportStream, n int64) io.Reader { return &restReader{s, n} }

type restReader struct {
	s    transportStream
	left int64
}

// Read implements io.Reader.
func (r *restReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), r.left))
	data, err := r.s.Read(n)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	defer data.Free()
	data.CopyTo(p)
	r.left -= int64(n)
	return n, nil
}
