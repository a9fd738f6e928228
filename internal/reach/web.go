package reach

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrWeb says that what answers is a web server, which speaks no gRPC.
var ErrWeb = errors.New("it answers as a web server does")

// webStatus is how gRPC words an answer of HTTP that is not its own.
var webStatus = regexp.MustCompile(`unexpected HTTP status code received from server: (\d{3}) \([^)]*\)`)

// Web tells from the message of a gRPC error whether a web server has answered the call,
// with an ErrWeb, and nil if not. gRPC has codes of its own for such answers, as if a
// server of it had refused the call. A proxy whose server is away for a while, which is
// worth waiting for, is not meant.
func Web(message string) error {
	if m := webStatus.FindStringSubmatch(message); m != nil {
		switch m[1] {
		case "429", "502", "503", "504":
			return nil
		}
		_, status, _ := strings.Cut(m[0], "server: ")
		return fmt.Errorf("%w: %s", ErrWeb, status)
	}
	if strings.Contains(message, "looked like an HTTP/1.1 header") || strings.Contains(message, "received unexpected content-type") {
		return ErrWeb
	}
	return nil
}
