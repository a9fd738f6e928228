package durablehttp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable/durablehttp"
	"github.com/netherite-go/netherite/internal/fuzztest"
)

func TestARequestIsReadInTheFormsOfTheSDKs(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`"00:01:30"`: 90 * time.Second, `"1.02:00:00.5"`: 26*time.Hour + 500*time.Millisecond, `"45"`: 45 * time.Second, `2.5`: 2500 * time.Millisecond, `null`: 0, `"00:00:00"`: 0,
	} {
		r, err := durablehttp.ParseRequest([]byte(`{"method":"GET","uri":"https://h/","timeout":` + text + `}`))
		if err != nil || r.Timeout != want || !r.Poll {
			t.Errorf("timeout %s: %+v, %v", text, r, err)
		}
	}
}

func TestABadRequestIsRefusedInWords(t *testing.T) {
	for payload, want := range map[string]string{
		``: "cannot be read", `{`: "cannot be read", `[]`: "0 HTTP requests", `[{},{}]`: "2 HTTP requests", `[`: "not JSON", `{}`: "no method", `5`: "it is a number where an object is wanted",
		`"x"`: "it is a text where an object is wanted", `{"uri":5}`: `its member "uri" is a number where a text is wanted`, `{"headers":[]}`: `its member "headers" is a list where an object`,
		`{"method":"G T","uri":"https://h"}`: "method", `{"method":5,"uri":"https://h"}`: "method", `{"method":"CONNECT","uri":"https://h"}`: "not possible",
		`{"method":"GET"}`: "neither http", `{"method":"GET","uri":"ftp://h"}`: "neither http", `{"method":"GET","uri":"https://"}`: "no host",
		`{"method":"GET","uri":"https://u:p@h"}`: "user", `{"method":"GET","uri":"https://h","headers":{"a b":"c"}}`: "header",
		`{"method":"GET","uri":"https://h","headers":{"a":"c\r\nd: e"}}`: "header", `{"method":"GET","uri":"https://h","headers":{"a":5}}`: "header",
		`{"method":"GET","uri":"https://h","timeout":"soon"}`: "timeout", `{"method":"GET","uri":"https://h","timeout":"-5"}`: "timeout",
		`{"method":"GET","uri":"https://h","timeout":"NaN"}`: "timeout", `{"method":"GET","uri":"https://h","timeout":"1:2"}`: "timeout",
		`{"method":"GET","uri":"https://h","timeout":1e300}`: "timeout", `{"method":"GET","uri":"https://h","tokenSource":{}}`: "tokenSource",
	} {
		if r, err := durablehttp.ParseRequest([]byte(payload)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: %+v, %v", payload, r, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"method":"GET","uri":"https://h/","headers":{"A":["b"]},"timeout":"1.02:03:04.5"}`))
	f.Add([]byte(`[{"Method":{"Method":"post"},"Uri":"http://h:1/a?b#c","Content":"x"}]`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		fuzztest.Bounded(t, len(payload), 64, func() {
			r, err := durablehttp.ParseRequest(payload)
			if err == nil && (r.Method == "" || r.Timeout < 0 || !strings.HasPrefix(strings.ToLower(r.URI), "http")) {
				t.Errorf("%s is read as %+v", payload, r)
			}
		})
	})
}
