package reach

import (
	"errors"
	"testing"
)

func TestAnAnswerOfAWebServerIsToldFromOneOfAServerThatRefuses(t *testing.T) {
	for message, want := range map[string]string{
		`unexpected HTTP status code received from server: 404 (Not Found); transport: received unexpected content-type "text/plain"`:           "it answers as a web server does: 404 (Not Found)",
		`unexpected HTTP status code received from server: 401 (Unauthorized); malformed header: missing HTTP content-type`:                     "it answers as a web server does: 401 (Unauthorized)",
		`rpc error: http2: frame too large, note that the frame header looked like an HTTP/1.1 header`:                                          "it answers as a web server does",
		`transport: received unexpected content-type "text/html"`:                                                                               "it answers as a web server does",
		`unexpected HTTP status code received from server: 503 (Service Unavailable); transport: received unexpected content-type "text/plain"`: "",
		"connection refused": "", "credentials are missing": "",
	} {
		if err := Web(message); err == nil && want != "" || err != nil && (err.Error() != want || !errors.Is(err, ErrWeb)) {
			t.Errorf("%s: %v, want %q", message, err, want)
		}
	}
}
