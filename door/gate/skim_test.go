package gate

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/internal/fuzztest"
)

// endless is a name, and another one as long as a number can say.
var endless = []byte{0x0a, 1, 'a', 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}

// What is kept of an answer is bounded, whatever it says of its fields.
func TestWhatIsKeptOfAnAnswerIsBounded(t *testing.T) {
	d := (&wire.ActivityResponse{}).ProtoReflect().Descriptor()
	if _, _, err := skimmed(bytes.NewReader(endless), d); err == nil {
		t.Error("a field without an end is taken")
	}
	kept, n, err := skimmed(bytes.NewReader(bytes.Repeat([]byte{0x10, 0x00}, 2*maxNames)), d)
	if err != nil || n != 4*maxNames || len(kept) > maxNames+16 {
		t.Errorf("%d bytes of %d are kept, %v", len(kept), n, err)
	}
}

// FuzzSkim has answers read over: what is kept of one is what says whose it is.
func FuzzSkim(f *testing.F) {
	long := wrapperspb.String(strings.Repeat("x", 200))
	for _, m := range []proto.Message{
		&wire.ActivityResponse{InstanceId: "i", TaskId: -7, CompletionToken: "token", Result: long},
		&wire.OrchestratorResponse{InstanceId: "i", CompletionToken: "token", CustomStatus: long, IsPartial: true},
		&wire.EntityBatchResult{CompletionToken: "token", EntityState: long, OperationInfos: []*wire.OperationInfo{{RequestId: "a"}, {RequestId: "b"}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte{0x0b, 0x0c})
	f.Add(endless)
	f.Add(bytes.Repeat([]byte{0x10, 0x00}, maxNames))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, whole := range []proto.Message{&wire.ActivityResponse{}, &wire.OrchestratorResponse{}, &wire.EntityBatchResult{}} {
			read := proto.Unmarshal(b, whole)
			var kept []byte
			var n int64
			var err error
			fuzztest.Bounded(t, len(b), fuzztest.Plain, func() {
				kept, n, err = skimmed(bytes.NewReader(b), whole.ProtoReflect().Descriptor())
			})
			if err != nil {
				continue // it may know less than the library, which nobody sends
			}
			part := whole.ProtoReflect().New().Interface()
			if n != int64(len(b)) || len(kept) > len(b) || len(kept) > maxNames+16 {
				t.Errorf("%d bytes of %d are kept, it says %d", len(kept), len(b), n)
			}
			if read != nil || proto.Unmarshal(kept, part) != nil {
				continue
			}
			if a, o := identity(whole), identity(part); !proto.Equal(a, o) {
				t.Errorf("%v became %v", a, o)
			}
		}
	})
}

// identity is an answer without what does not say whose it is.
func identity(m proto.Message) proto.Message {
	switch q := m.(type) {
	case *wire.ActivityResponse:
		return &wire.ActivityResponse{InstanceId: q.InstanceId, TaskId: q.TaskId, CompletionToken: q.CompletionToken}
	case *wire.OrchestratorResponse:
		return &wire.OrchestratorResponse{InstanceId: q.InstanceId, CompletionToken: q.CompletionToken}
	case *wire.EntityBatchResult:
		return &wire.EntityBatchResult{CompletionToken: q.CompletionToken, OperationInfos: q.OperationInfos}
	}
	return nil
}

func TestAnAnswerIsSkimmed(t *testing.T) {
	q := &wire.ActivityResponse{InstanceId: "i", TaskId: -7, CompletionToken: "token", Result: wrapperspb.String(strings.Repeat("x", 1<<20))}
	b, err := proto.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	kept, n, err := skimmed(bytes.NewReader(b), q.ProtoReflect().Descriptor())
	if err != nil || n != int64(len(b)) || len(kept) > 100 {
		t.Fatalf("%d bytes of %d, %v", len(kept), n, err)
	}
	part := &wire.ActivityResponse{}
	if err := proto.Unmarshal(kept, part); err != nil || !proto.Equal(part, identity(q)) {
		t.Errorf("%v, %v", part, err)
	}
	for cut := 1; cut < 40; cut++ {
		if kept, _, err := skimmed(bytes.NewReader(b[:cut]), q.ProtoReflect().Descriptor()); err == nil && len(kept) != cut {
			t.Errorf("cut after %d bytes it is taken for whole", cut)
		}
	}
}
