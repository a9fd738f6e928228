package translate

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/model"
)

// Most of what a worker reads are histories, too: what Append encodes at once,
// DecodeEvent decodes at once.

// DecodeEvent reads an encoded HistoryEvent: as ToEvent does, but usual events
// without the messages in between.
func DecodeEvent(b []byte) (model.Event, error) {
	if e, ok := decodeUsual(b); ok {
		return e, nil
	}
	h := &wire.HistoryEvent{}
	if err := proto.Unmarshal(b, h); err != nil {
		return model.Event{}, fmt.Errorf("an event cannot be decoded: %w", err)
	}
	return ToEvent(h)
}

// decodeUsual reads an event that has nothing but what appendEvent writes. It
// reports whether it is one.
func decodeUsual(b []byte) (e model.Event, ok bool) {
	err := Fields(b, func(number protowire.Number, v []byte, n uint64) error {
		switch number {
		case eventID:
			if v != nil {
				return errUnusual
			}
			e.ID = int32(n)
			return nil
		case eventTime:
			return decodeTime(&e.Time, v)
		}
		if e.Kind != 0 || v == nil {
			return errUnusual
		}
		switch number {
		case stepStarted:
			if e.Kind = model.OrchestratorStarted; len(v) > 0 {
				return errUnusual
			}
			return nil
		case taskCompleted:
			e.Kind = model.TaskCompleted
			return Fields(v, func(number protowire.Number, v []byte, n uint64) error {
				switch {
				case number == 1 && v == nil:
					e.Ref = int32(n)
					return nil
				case number == 2 && v != nil && e.Payload == nil:
					return decodePayload(&e.Payload, v)
				}
				return errUnusual
			})
		case taskScheduled:
			e.Kind = model.TaskScheduled
			return Fields(v, func(number protowire.Number, v []byte, _ uint64) error { return decodeCalled(&e, number, v) })
		case executionStarted:
			e.Kind = model.ExecutionStarted
			return Fields(v, func(number protowire.Number, v []byte, _ uint64) error {
				if number != 4 {
					return decodeCalled(&e, number, v)
				}
				return decodeInstance(&e, v)
			})
		}
		return errUnusual
	})
	return e, err == nil && e.Kind != 0
}

var errUnusual = errors.New("not of the usual kind")

// decodeCalled reads what says which code is meant.
func decodeCalled(e *model.Event, number protowire.Number, v []byte) error {
	switch {
	case v == nil:
	case number == 1 && e.Name == "":
		return Text(&e.Name, v)
	case number == 2 && e.Version == "":
		return Wrapped(&e.Version, v)
	case number == 3 && e.Payload == nil:
		return decodePayload(&e.Payload, v)
	}
	return errUnusual
}

func decodeInstance(e *model.Event, v []byte) error {
	if v == nil || e.Ext != nil || e.Instance != "" {
		return errUnusual
	}
	var execution string
	if err := Instance(v, &e.Instance, &execution); err != nil {
		return err
	}
	id, err := toExecution(execution)
	if err != nil {
		return err
	}
	e.Ext = extra(model.Ext{Execution: id})
	return nil
}

// Instance reads an OrchestrationInstance.
func Instance(v []byte, id, execution *string) error {
	return Fields(v, func(number protowire.Number, v []byte, _ uint64) error {
		switch {
		case v == nil:
		case number == 1 && *id == "":
			return Text(id, v)
		case number == 2 && *execution == "":
			return Wrapped(execution, v)
		}
		return errUnusual
	})
}

func decodeTime(t *model.Time, v []byte) error {
	if v == nil || *t != 0 {
		return errUnusual
	}
	var seconds int64
	var nanos int32
	err := Fields(v, func(number protowire.Number, v []byte, n uint64) error {
		switch {
		case v != nil:
			return errUnusual
		case number == 1:
			seconds = int64(n)
		case number == 2:
			nanos = int32(n)
		default:
			return errUnusual
		}
		return nil
	})
	if err == nil {
		*t = Time(&timestamppb.Timestamp{Seconds: seconds, Nanos: nanos})
	}
	return err
}

// decodePayload reads a wrapped payload.
func decodePayload(p *[]byte, v []byte) error {
	var s string
	if err := Wrapped(&s, v); err != nil {
		return err
	}
	*p = bytesOf(s)
	return nil
}

// WrappedBytes reads a wrapped payload.
func WrappedBytes(p *[]byte, v []byte) error { return decodePayload(p, v) }

// Wrapped reads a wrapped text.
func Wrapped(s *string, v []byte) error {
	return Fields(v, func(number protowire.Number, v []byte, _ uint64) error {
		if number != 1 || v == nil || *s != "" {
			return errUnusual
		}
		return Text(s, v)
	})
}

// Text reads a text.
func Text(s *string, v []byte) error {
	if !utf8.Valid(v) {
		return errUnusual
	}
	*s = string(v)
	return nil
}

// Fields calls f for each field of an encoded message: with the content of one
// that has a length, which is never nil, or with a number. Fields of other kinds
// are an error.
func Fields(b []byte, f func(number protowire.Number, v []byte, n uint64) error) error {
	for len(b) > 0 {
		number, kind, used := protowire.ConsumeTag(b)
		if used < 0 {
			return protowire.ParseError(used)
		}
		b = b[used:]
		var v []byte
		var n uint64
		switch kind {
		case protowire.BytesType:
			if v, used = protowire.ConsumeBytes(b); used >= 0 && v == nil {
				v = []byte{}
			}
		case protowire.VarintType:
			n, used = protowire.ConsumeVarint(b)
		default:
			return errUnusual
		}
		if used < 0 {
			return protowire.ParseError(used)
		}
		b = b[used:]
		if err := f(number, v, n); err != nil {
			return err
		}
	}
	return nil
}
