package gate

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// The gate reads messages by itself. What gRPC has for it asks for all of a message
// once its length is known, whoever sends it, and waits for it without end; and what
// is too large is refused before anybody knows what it is about.

// transportStream is what the gate needs of gRPC's own stream.
type transportStream interface {
	ReadMessageHeader(header []byte) error
	Read(n int) (mem.BufferSlice, error)
	RecvCompress() string
	WriteStatus(*status.Status) error
}

var codec = encoding.GetCodecV2(proto.Name)

// smallMessage is the limit of messages that have no payloads.
const smallMessage = 256 << 10

// limit is how large a message of a call may be.
func (g *Gate) limit(v *visit) int {
	if v.need.Role == Reader {
		return min(smallMessage, g.opts.Message)
	}
	return g.opts.Message
}

// receive reads the message of a call, of which there is one.
func (g *Gate) receive(ctx context.Context, v *visit, m any) error {
	s, ok := grpc.ServerTransportStreamFromContext(ctx).(transportStream)
	if !ok {
		return status.Error(codes.Internal, "this version of gRPC does not let the gate read messages")
	}
	v.stream = s
	if err := g.expect(v); err != nil {
		g.refused(v, err)
		return err
	}
	b := v.inbound
	data, err := g.read(ctx, v, b, m)
	switch dropped := b.came(v); {
	case dropped != nil:
		data.Free()
		return dropped
	case err != nil:
		return failedRead(err)
	case v.skimmed:
		return nil
	}
	defer data.Free()
	if err := codec.Unmarshal(data, m); err != nil {
		return status.Errorf(codes.Internal, "the message cannot be read: %v", err)
	}
	if v.need.Role == Reader { // it is small, and may wait for long
		b.give(v, v.bytes)
	}
	return nil
}

// expect notes that the visit's message is coming. Answers that are owed do not wait for
// what others send, nor do streams of work, of which a caller has few.
func (g *Gate) expect(v *visit) error {
	if (v.debt != nil || v.work != nil) && g.answers.begin(v) == nil {
		return nil
	}
	return g.inbound.begin(v)
}

// read reads the message and what follows: the end.
func (g *Gate) read(ctx context.Context, v *visit, b *inbound, m any) (mem.BufferSlice, error) {
	if err := v.stream.ReadMessageHeader(v.header[:]); errors.Is(err, io.EOF) {
		return nil, status.Error(codes.Internal, "the call has no message")
	} else if err != nil {
		return nil, err
	}
	n, packed := int64(binary.BigEndian.Uint32(v.header[1:])), v.header[0] != 0
	var data mem.BufferSlice
	var err error
	switch limit := int64(g.limit(v)); {
	case packed:
		data, err = g.readPacked(ctx, v, b, n, m)
	case n > limit:
		err = g.skim(v, rest(v.stream, n), n, m)
	default:
		if err = b.take(ctx, v, n); err == nil {
			data, err = v.stream.Read(int(n))
		}
	}
	if err != nil {
		return nil, err
	}
	if err = v.stream.ReadMessageHeader(v.header[:]); errors.Is(err, io.EOF) {
		return data, nil
	} else if err == nil {
		err = status.Error(codes.Internal, "the call has more than one message")
	}
	data.Free()
	return nil, err
}

// expansion is how many bytes one that is compressed by gzip can come to, at most.
const expansion = 1032

// maxSkimmed bounds how far one is read over that is too large: a little that was sent
// may come to very much.
const maxSkimmed = 1 << 30

// readPacked reads a message that is compressed.
func (g *Gate) readPacked(ctx context.Context, v *visit, b *inbound, n int64, m any) (mem.BufferSlice, error) {
	name := v.stream.RecvCompress()
	c := encoding.GetCompressor(name)
	if c == nil {
		return nil, status.Errorf(codes.Unimplemented, "the message is compressed by %q, which this server does not know", name)
	}
	limit := int64(g.limit(v))
	if n > limit { // as it is, which nobody does
		return nil, tooLargeIn(n, limit)
	}
	most := limit
	if name == "gzip" {
		most = min(most, expansion*(n+1))
	}
	if err := b.take(ctx, v, n+most); err != nil {
		return nil, err
	}
	packed, err := v.stream.Read(int(n))
	if err != nil {
		return nil, err
	}
	defer packed.Free()
	unpacked, err := c.Decompress(packed.Reader())
	if err != nil {
		return nil, status.Errorf(codes.Internal, "the message cannot be unpacked: %v", err)
	}
	data, err := mem.ReadAll(io.LimitReader(unpacked, limit+1), mem.DefaultBufferPool())
	if err != nil {
		data.Free()
		return nil, status.Errorf(codes.Internal, "the message cannot be unpacked: %v", err)
	}
	size := int64(data.Len())
	if size > limit {
		defer data.Free()
		return nil, g.skim(v, io.LimitReader(io.MultiReader(data.Reader(), unpacked), maxSkimmed), size, m)
	}
	b.give(v, n+most-size)
	return data, nil
}

// failedRead is what a call ends with whose message did not come.
func failedRead(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	if s := status.FromContextError(err); s.Code() != codes.Unknown {
		return s.Err()
	}
	return status.Errorf(codes.Internal, "the message did not come: %v", err)
}

func tooLargeIn(size, limit int64) error {
	return status.Errorf(codes.ResourceExhausted, "the message has %d bytes, and the server takes no more than %d", size, limit)
}
