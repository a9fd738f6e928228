// Package extra is what this project's client, worker and server say to each
// other beyond the Durable Task protocol: request keys, execution IDs, the attempt
// of an activity, markers. It rides in one field of that protocol's messages which
// other SDKs do not know and skip.
package extra

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

//go:generate go run github.com/bufbuild/buf/cmd/buf@v1.75.0 generate

// ServerHeader is the header of the answer to Hello in which a server of this
// project says its version.
const ServerHeader = "netherite-version"

// field is the field of the protocol's messages that an extra rides in.
const field = 1000

// Put adds an extra to a message that has none yet.
func Put(m, x proto.Message) {
	p := m.ProtoReflect()
	p.SetUnknown(Append(p.GetUnknown(), x))
}

// Append appends an extra to the encoding of a message. One with texts that are no
// UTF-8, which cannot be encoded, is left out.
func Append(b []byte, x proto.Message) []byte {
	v, err := proto.Marshal(x)
	if err != nil {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendBytes(b, v)
}

// Get reads the extra of a message into x. It reports whether there is one that
// can be read.
func Get(m, x proto.Message) bool {
	for b := []byte(m.ProtoReflect().GetUnknown()); len(b) > 0; {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		b = b[n:]
		if number == field && kind == protowire.BytesType {
			v, n := protowire.ConsumeBytes(b)
			return n >= 0 && proto.Unmarshal(v, x) == nil
		}
		if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			return false
		}
		b = b[n:]
	}
	return false
}
