package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"unicode/utf8"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// codes are the status codes of the contract's errors.
var codes = []struct {
	err  error
	code int
}{
	{engine.ErrNotFound, http.StatusNotFound},
	{engine.ErrEnded, http.StatusGone},
	{engine.ErrReplaced, http.StatusGone},
	{engine.ErrExists, http.StatusConflict},
	{engine.ErrNotFailed, http.StatusPreconditionFailed},
	{engine.ErrQuarantined, http.StatusConflict},
	{engine.ErrInvalid, http.StatusBadRequest},
	{engine.ErrTooLarge, http.StatusRequestEntityTooLarge},
	{engine.ErrBusy, http.StatusTooManyRequests},
	{engine.ErrDiskFull, http.StatusInsufficientStorage},
	{engine.ErrUnavailable, http.StatusServiceUnavailable},
	{engine.ErrClosed, http.StatusServiceUnavailable},
}

// fail answers with an error.
func (c *call) fail(err error) {
	if e, ok := errors.AsType[*Refusal](err); ok {
		refuse(c.w, e.Code, e.Text)
		return
	}
	if e, ok := errors.AsType[coded](err); ok {
		refuse(c.w, e.HTTP(), e.Error())
		return
	}
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		refuse(c.w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes, and this API takes no more, "+
			"whatever one payload may have (on a server limits.payload): send a larger one over gRPC", e.Limit))
		return
	}
	for _, k := range codes {
		if errors.Is(err, k.err) {
			refuse(c.w, k.code, err.Error())
			return
		}
	}
	refuse(c.w, http.StatusInternalServerError, err.Error())
}

// coded is an error of the body of a request, from what is around the API, with the status
// code that it is answered with.
type coded interface {
	error
	HTTP() int
}

// problem is the body of an error, with the names that Durable Functions uses.
type problem struct {
	Message          string
	ExceptionMessage string
	ExceptionType    string
}

func refuse(w http.ResponseWriter, code int, text string) {
	writeJSON(w, code, problem{Message: http.StatusText(code), ExceptionMessage: text, ExceptionType: exceptionType(code)})
}

func exceptionType(code int) string {
	if code == http.StatusBadRequest {
		return "System.ArgumentException"
	}
	return "System.Exception"
}

// writeJSON answers with a value. That the caller is gone is nobody's error.
func writeJSON(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // only what is made here is written
		code, body = http.StatusInternalServerError, []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

// body reads a body of JSON; null if it is empty.
func (c *call) body() ([]byte, error) {
	b, err := io.ReadAll(c.r.Body)
	switch {
	case err != nil:
		return nil, err
	case len(b) == 0:
		return []byte("null"), nil
	case !utf8.Valid(b):
		return nil, checkText("the body", string(b))
	case depth(b) > maxDepth: // of a few thousand levels the parser would say that they are no JSON
		return nil, badRequest("the body is JSON of %d levels, at most %d levels are allowed", depth(b), maxDepth)
	case !json.Valid(b):
		return nil, badRequest("the body is not JSON")
	}
	return b, nil
}

// depth is how many arrays and objects are in each other at most, in JSON.
func depth(text []byte) (deepest int) {
	level, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++ // whatever is escaped
		case quoted:
		case c == '[' || c == '{':
			level++
			deepest = max(deepest, level)
		case c == ']' || c == '}':
			level--
		}
	}
	return deepest
}

// isJSON reports whether the request says that its body is JSON.
func (c *call) isJSON() bool {
	kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// value shows a payload: as it is if it is JSON, else as a string, in base64 if it is not
// UTF-8; null if there is none.
func value(payload []byte) json.RawMessage {
	switch {
	case payload == nil:
		return json.RawMessage("null")
	case !utf8.Valid(payload):
	case json.Valid(payload):
		return payload
	default:
		text, _ := json.Marshal(string(payload)) // a string always can
		return text
	}
	text, _ := json.Marshal(payload) // in base64
	return text
}

// moment shows a time, to the second; null if there is none.
func moment(t model.Time) *string {
	if t == 0 {
		return nil
	}
	s := t.Std().Format("2006-01-02T15:04:05Z")
	return &s
}

// quoteAlways is a text as a JSON string, whatever it is.
func quoteAlways(text []byte) []byte {
	b, _ := json.Marshal(string(text)) // a string always can
	return b
}
