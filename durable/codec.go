package durable

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/worker"
)

// Codec turns values into payloads and back. Every input, result, event, status
// and entity state crosses it, also inside one process, so that code sees the
// same values the first time as after a crash. It must be safe for concurrent use.
type Codec = worker.Codec

// JSON is the default codec: encoding/json.
var JSON Codec = jsonCodec{}

// None is the type of an input or result that is not there.
type None = struct{}

// Raw is a payload that no codec touches: what is stored is a copy of what is given,
// and what code gets is a copy of what is stored, so that either may be changed.
type Raw []byte

// DefaultPayloadLimit is how large one payload may be unless the hub says
// otherwise: 2 MiB.
const DefaultPayloadLimit = worker.DefaultPayloadLimit

type jsonCodec struct{}

// Encode implements Codec.
func (jsonCodec) Encode(v any) ([]byte, error) { return json.Marshal(v) }

// Decode implements Codec.
func (jsonCodec) Decode(payload []byte, v any) error { return json.Unmarshal(payload, v) }

// plain reports whether JSON writes the string as it is, between quotes.
func plain[S string | []byte](s S) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20, c > 0x7e, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}

// integer parses digits with an optional minus sign, short enough not to
// overflow, in the only form that JSON allows.
func integer(b []byte) (n int64, ok bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 18 || b[0] == '0' && len(b) > 1 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if neg {
		n = -n
	}
	return n, true
}

func codecOf(env *worker.Env) Codec {
	if env.Codec == nil {
		return JSON
	}
	return env.Codec
}

func usesJSON(env *worker.Env) bool {
	if env.Codec == nil {
		return true
	}
	_, ok := env.Codec.(jsonCodec)
	return ok
}

// encode makes the payload of a value; what names the value in errors.
func encode[T any](env *worker.Env, what string, v T) ([]byte, error) {
	payload, ok := encodePlain(env, &v)
	if !ok {
		var err error
		if payload, err = encodeAny(env, what, v); err != nil {
			return nil, err
		}
	}
	limit := env.PayloadLimit
	if limit == 0 {
		limit = DefaultPayloadLimit
	}
	if len(payload) > limit {
		return nil, NonRetriable(fmt.Errorf("%s is %d bytes, at most %d are allowed: %w (%w)", what, len(payload), limit, ErrPayloadTooLarge, engine.ErrTooLarge))
	}
	return payload, nil
}

// decode is the inverse of encode. An absent payload gives the zero value.
func decode[T any](env *worker.Env, what string, payload []byte) (v T, err error) {
	if decodePlain(env, payload, &v) {
		return v, nil
	}
	return decodeAny[T](env, what, payload)
}

func decodeAny[T any](env *worker.Env, what string, payload []byte) (v T, err error) {
	if err := codecOf(env).Decode(payload, &v); err != nil {
		return v, NonRetriable(fmt.Errorf("%w: decode %s as %T: %w", ErrPayload, what, v, err))
	}
	return v, nil
}

func encodeAny(env *worker.Env, what string, v any) ([]byte, error) {
	switch v := v.(type) { // what encode was given may have been an interface
	case None:
		return nil, nil
	case Raw:
		return bytes.Clone(v), nil
	}
	payload, err := codecOf(env).Encode(v)
	if err != nil {
		return nil, NonRetriable(fmt.Errorf("%w: encode %s: %w", ErrPayload, what, err))
	}
	return payload, nil
}

// encodePlain encodes what needs no codec, and for the JSON codec also plain
// strings, lists of them and integers, the most frequent payloads: without reflection, and
// without moving them to the heap as an interface would.
func encodePlain[T any](env *worker.Env, v *T) (payload []byte, ok bool) {
	switch p := any(v).(type) {
	case *None:
		return nil, true
	case *Raw:
		return bytes.Clone(*p), true
	case *any: // a custom status, or an event raised by name
		switch v := (*p).(type) {
		case None:
			return nil, true
		case Raw:
			return bytes.Clone(v), true
		}
	case *string:
		if usesJSON(env) && plain(*p) {
			b := make([]byte, 0, len(*p)+2)
			b = append(b, '"')
			b = append(b, *p...)
			return append(b, '"'), true
		}
	case *int:
		if usesJSON(env) {
			return strconv.AppendInt(nil, int64(*p), 10), true
		}
	case *int64:
		if usesJSON(env) {
			return strconv.AppendInt(nil, *p, 10), true
		}
	case *bool:
		if usesJSON(env) {
			return strconv.AppendBool(nil, *p), true
		}
	case *[]string:
		if usesJSON(env) && len(*p) > 0 {
			return plainList(*p)
		}
	}
	return nil, false
}

// plainList encodes a list of plain strings.
func plainList(list []string) ([]byte, bool) {
	n := 1
	for _, s := range list {
		if !plain(s) {
			return nil, false
		}
		n += len(s) + 3
	}
	b := append(make([]byte, 0, n), '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), s...), '"')
	}
	return append(b, ']'), true
}

// listOf is the inverse of plainList. The strings share one piece of memory.
func listOf(payload []byte) (list []string, ok bool) {
	n := len(payload)
	if n < 4 || payload[0] != '[' || payload[n-1] != ']' {
		return nil, false
	}
	rest := string(payload[1:])
	list = make([]string, 0, 1+strings.Count(rest, `","`))
	for {
		end := strings.IndexByte(rest[1:], '"') + 1
		if rest[0] != '"' || end == 0 || !plain(rest[1:end]) {
			return nil, false
		}
		list, rest = append(list, rest[1:end]), rest[end+1:]
		switch {
		case rest == "]":
			return list, true
		case len(rest) < 3 || rest[0] != ',':
			return nil, false
		}
		rest = rest[1:]
	}
}

// decodePlain is the inverse of encodePlain.
func decodePlain[T any](env *worker.Env, payload []byte, v *T) bool {
	switch p := any(v).(type) {
	case *None:
		return true
	case *Raw:
		*p = bytes.Clone(payload)
		return true
	}
	if len(payload) == 0 {
		return true
	}
	if !usesJSON(env) {
		return false
	}
	switch p := any(v).(type) {
	case *string:
		n := len(payload)
		if n >= 2 && payload[0] == '"' && payload[n-1] == '"' && plain(payload[1:n-1]) {
			*p = string(payload[1 : n-1])
			return true
		}
	case *int:
		if n, ok := integer(payload); ok {
			*p = int(n)
			return true
		}
	case *int64:
		n, ok := integer(payload)
		*p = n
		return ok
	case *[]string:
		list, ok := listOf(payload)
		if ok {
			*p = list
		}
		return ok
	}
	return false
}
