package extra_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/internal/fuzztest"
)

// FuzzGet holds that whatever a message has that the protocol does not know is searched
// to its end; that an extra which is found is found again once it was put; and that one
// that is put behind other fields is found there.
func FuzzGet(f *testing.F) {
	x := &extra.Request{Key: "k", IfExists: 1, Execution: []byte{1}, Query: []byte("{}")}
	for _, before := range [][]byte{nil, protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 7), {0xff}, extra.Append(nil, &extra.Name{Epoch: 1})} {
		f.Add(extra.Append(before, x), "j")
		f.Add(before, "\xff")
	}
	f.Fuzz(func(t *testing.T, unknown []byte, key string) {
		fuzztest.Bounded(t, len(unknown)+len(key), 20, func() {
			with := func(unknown []byte) proto.Message {
				m := &extra.Cancelled{}
				m.ProtoReflect().SetUnknown(unknown)
				return m
			}
			found, again := &extra.Request{}, &extra.Request{}
			if extra.Get(with(unknown), found) {
				m := &extra.Cancelled{}
				if extra.Put(m, found); !extra.Get(m, again) || !proto.Equal(found, again) {
					t.Fatalf("%v is put, and %v is found", found, again)
				}
			}
			for b := unknown; len(b) > 0; { // none is there, and all is whole
				number, _, n := protowire.ConsumeField(b)
				if n < 0 || number == 1000 {
					return
				}
				b = b[n:]
			}
			put := &extra.Request{Key: strings.ToValidUTF8(key, "")}
			if extra.Get(with(extra.Append(unknown[:len(unknown):len(unknown)], put)), again); !proto.Equal(put, again) {
				t.Fatalf("%v is put behind %x, and %v is found", put, unknown, again)
			}
		})
	})
}

// FuzzErr holds that any error that a server tells of has a text, and is told on as the
// same.
func FuzzErr(f *testing.F) {
	for _, x := range []*extra.Error{{}, {Code: "not-found"}, {Code: "no-hub"}, {Code: "unheard-of"}, {Code: "damaged", Message: "m", Partitions: []int32{1, -1}}, {Partitions: []int32{2}}} {
		b, err := proto.Marshal(x)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "message")
		f.Add(b, " ")
	}
	f.Fuzz(func(t *testing.T, b []byte, message string) {
		fuzztest.Bounded(t, len(b)+len(message), 100, func() {
			x := &extra.Error{}
			if proto.Unmarshal(b, x) != nil {
				return
			}
			err := x.Err(message)
			if err == nil || strings.TrimSpace(err.Error()) == "" {
				t.Fatalf("%v is the error %v", x, err)
			}
			told := extra.Of(err)
			if told == nil {
				return // of no kind of the contract
			}
			if again := extra.Of(told.Err(message)); !proto.Equal(told, again) {
				t.Fatalf("%v is told first as %v and then as %v", x, told, again)
			}
		})
	})
}
