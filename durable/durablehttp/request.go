package durablehttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/netherite-go/netherite/internal/plainjson"
)

// Request is what an orchestration asks for. As JSON it is what the SDKs write.
type Request struct {
	Method  string            `json:"method"`
	URI     string            `json:"uri"`
	Headers map[string]string `json:"headers,omitempty"`
	Content *string           `json:"content,omitempty"`
	// Poll says that an answer 202 is polled, which is the default of the SDKs.
	Poll bool `json:"asynchronousPatternEnabled"`
	// Timeout bounds it all, the polling as well; 0: only the caller's options do. In
	// JSON it is a text, [d.]hh:mm:ss with fractions of 100 ns.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// plainRequest is a request without its methods.
type plainRequest Request

// MarshalJSON implements [json.Marshaler]. A negative timeout is an error.
func (r Request) MarshalJSON() ([]byte, error) {
	text, err := formatSpan(r.Timeout)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		plainRequest
		Timeout string `json:"timeout,omitempty"`
	}{plainRequest(r), text})
}

// UnmarshalJSON implements [json.Unmarshaler], for what MarshalJSON has written, and
// for a number of nanoseconds as the timeout, which is how histories of before have
// it. What SDKs have written is for [ParseRequest], to which a number is seconds.
func (r *Request) UnmarshalJSON(text []byte) error {
	w := struct {
		*plainRequest
		Timeout json.RawMessage `json:"timeout"`
	}{plainRequest: (*plainRequest)(r)}
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	if nanoseconds := time.Duration(0); json.Unmarshal(w.Timeout, &nanoseconds) == nil {
		r.Timeout = nanoseconds
		return nil
	}
	var err error
	r.Timeout, err = span(w.Timeout)
	return err
}

// formatSpan writes what span reads; nothing for 0.
func formatSpan(d time.Duration) (string, error) {
	if d < 0 {
		return "", fmt.Errorf("the timeout of the HTTP request is negative: %v", d)
	} else if d == 0 {
		return "", nil
	}
	const tick, longest = 100 * time.Nanosecond, 100_000 * 24 * time.Hour // the finest that .NET reads, and more than anybody waits
	d = min(max(d/tick*tick, tick), longest)
	days, rest := d/(24*time.Hour), d%(24*time.Hour)
	text := fmt.Sprintf("%02d:%02d:%02d", rest/time.Hour, rest/time.Minute%60, rest/time.Second%60)
	if days > 0 {
		text = fmt.Sprintf("%d.%s", days, text)
	}
	if ticks := rest % time.Second / tick; ticks > 0 {
		text += fmt.Sprintf(".%07d", ticks)
	}
	return text, nil
}

// Response is the answer.
type Response struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Content    string            `json:"content"`
}

// wireRequest is a request in the forms that SDKs write it: the names of members
// are compared without case.
type wireRequest struct {
	Method      json.RawMessage            `json:"method"`
	HTTPMethod  json.RawMessage            `json:"httpMethod"`
	URI         string                     `json:"uri"`
	Headers     map[string]json.RawMessage `json:"headers"`
	Content     *string                    `json:"content"`
	Poll        *bool                      `json:"asynchronousPatternEnabled"`
	Timeout     json.RawMessage            `json:"timeout"`
	TokenSource json.RawMessage            `json:"tokenSource"`
}

// ParseRequest reads a request, or a list of one, as SDKs write it.
func ParseRequest(payload []byte) (*Request, error) {
	if list := bytes.TrimSpace(payload); len(list) > 0 && list[0] == '[' {
		var one []json.RawMessage
		if err := json.Unmarshal(list, &one); err != nil {
			return nil, fmt.Errorf("the HTTP request is not JSON: %w", err)
		}
		if len(one) != 1 {
			return nil, fmt.Errorf("%d HTTP requests where one is expected", len(one))
		}
		payload = one[0]
	}
	w := wireRequest{}
	if err := json.Unmarshal(payload, &w); err != nil {
		return nil, fmt.Errorf("the HTTP request cannot be read: %w", plainjson.Explain(err))
	}
	r := &Request{URI: w.URI, Content: w.Content, Poll: w.Poll == nil || *w.Poll}
	if present(w.TokenSource) {
		return nil, errors.New("the HTTP request has a tokenSource: this server has no identity to get a token for; put the credentials into a header")
	}
	var err error
	if r.Method, err = method(w.Method, w.HTTPMethod); err != nil {
		return nil, err
	}
	if r.Timeout, err = span(w.Timeout); err != nil {
		return nil, err
	}
	if r.Headers, err = headers(w.Headers); err != nil {
		return nil, err
	}
	if _, err := r.address(); err != nil {
		return nil, err
	}
	return r, nil
}

func present(m json.RawMessage) bool { return len(m) > 0 && string(m) != "null" }

// method reads a method: a string, or an object that has it.
func method(forms ...json.RawMessage) (string, error) {
	for _, f := range forms {
		if !present(f) {
			continue
		}
		var name string
		if json.Unmarshal(f, &name) != nil {
			var o struct{ Method string }
			if err := json.Unmarshal(f, &o); err != nil {
				return "", fmt.Errorf("the method %.40s of the HTTP request cannot be read", f)
			}
			name = o.Method
		}
		name = strings.ToUpper(name)
		if !token(name) || name == http.MethodConnect || name == http.MethodTrace {
			return "", fmt.Errorf("the method %.40q of the HTTP request is not possible", name)
		}
		return name, nil
	}
	return "", errors.New("the HTTP request has no method")
}

// headers reads headers: each a string, or a list of them.
func headers(wire map[string]json.RawMessage) (map[string]string, error) {
	out := make(map[string]string, len(wire))
	for name, raw := range wire { // order-free: fills a map
		var one string
		if present(raw) && json.Unmarshal(raw, &one) != nil {
			var list []string
			if err := json.Unmarshal(raw, &list); err != nil {
				return nil, fmt.Errorf("the header %.40q of the HTTP request is neither a text nor a list of texts", name)
			}
			one = strings.Join(list, ", ")
		}
		if !token(name) || strings.ContainsFunc(one, control) {
			return nil, fmt.Errorf("the header %.40q of the HTTP request is not valid", name)
		}
		out[http.CanonicalHeaderKey(name)] = one
	}
	return out, nil
}

// token reports whether a text can be a method or the name of a header.
func token(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(c rune) bool {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}

// control reports whether a header's value cannot have a character.
func control(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// span reads a time span: hh:mm:ss with days before and fractions after it, or a
// number of seconds.
func span(raw json.RawMessage) (time.Duration, error) {
	if !present(raw) {
		return 0, nil
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	seconds, ok := parseSpan(text)
	if !ok || !(seconds >= 0) || seconds > math.MaxInt64/float64(time.Second) {
		return 0, fmt.Errorf("the timeout %.40q of the HTTP request is neither hh:mm:ss nor a number of seconds", text)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

func parseSpan(text string) (seconds float64, ok bool) {
	parts := strings.Split(text, ":")
	if len(parts) != 1 && len(parts) != 3 {
		return 0, false
	}
	days, hours, found := strings.Cut(parts[0], ".")
	if found && len(parts) == 3 {
		d, err := strconv.ParseUint(days, 10, 32)
		if err != nil {
			return 0, false
		}
		parts[0], seconds = hours, float64(d)*24*3600
	}
	unit := math.Pow(60, float64(len(parts)-1))
	for _, p := range parts {
		f, err := strconv.ParseFloat(p, 64)
		if err != nil || !(f >= 0) {
			return 0, false
		}
		seconds += f * unit
		unit /= 60
	}
	return seconds, true
}

// address is the request's URI, if it is one that can be asked.
func (r *Request) address() (*url.URL, error) { return address(r.URI) }

func address(uri string) (*url.URL, error) {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the address of the HTTP request cannot be read: %w", err)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("the address %.100q of the HTTP request begins with neither http:// nor https://", uri)
	case u.Hostname() == "":
		return nil, fmt.Errorf("the address %.100q of the HTTP request names no host", uri)
	case u.User != nil:
		return nil, errors.New("the address of the HTTP request has a user in it: put the credentials into a header")
	}
	return u, nil
}
