package config

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/netherite-go/netherite/server"
)

func (v *values) wrong(format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf(format, args...))
}

// contradictions finds settings that are out of bounds, or do not go together.
func (v *values) contradictions() {
	v.missing()
	v.bounds()
	for _, pair := range [][2]string{{"tls.cert", "tls.key"}, {"tls.key", "tls.cert"}, {"tls.client-ca", "tls.cert"}, {"certificates", "tls.client-ca"}} {
		if v.given(pair[0]) && !v.given(pair[1]) {
			v.wrong("%s: it needs %s, which is not set", v.said(pair[0]), pair[1])
		}
	}
	v.wrongTokens()
	v.wrongCalls()
	if get[bool](v, "memory") && v.given("data") {
		v.wrong("%s keeps nothing, %s says where to keep it: leave one of them out", v.said("memory"), v.said("data"))
	}
}

// wrongTokens finds what is missing to tell tokens, or is there twice.
func (v *values) wrongTokens() {
	for _, key := range []string{"jwt.algorithms", "jwt.claim", "jwt.issuer", "jwt.audience", "jwt.keys-url", "jwt.keys-file"} {
		if !v.given(key) {
			continue
		}
		for _, other := range []string{"jwt.issuer", "jwt.audience"} {
			if !v.given(other) {
				v.wrong("%s: it needs %s, which is not set", v.said(key), other)
			}
		}
		if !v.given("jwt.keys-url") && !v.given("jwt.keys-file") {
			v.wrong("%s: it needs jwt.keys-url or jwt.keys-file, and neither is set", v.said(key))
		}
		break
	}
	if v.given("jwt.keys-url") && v.given("jwt.keys-file") {
		v.wrong("%s and %s both say where the keys of tokens are: leave one of them out", v.said("jwt.keys-url"), v.said("jwt.keys-file"))
	}
}

// missing finds what a server has to be told.
func (v *values) missing() {
	if v.command != Server {
		return
	}
	for _, s := range v.list {
		if s.Required && v.origin[s.Key] == "" {
			v.wrong("%s is missing (--%s, %s, or in the file): %s", s.Key, s.Flag(), s.Variable(), missing[s.Key])
		}
	}
	if v.origin["data"] != "" && get[string](v, "data") == "" {
		v.wrong("%s: it is empty", v.said("data"))
	}
	if v.origin["grpc"] != "" && len(get[[]string](v, "grpc")) == 0 {
		v.wrong("%s: it is empty, and no worker could connect", v.said("grpc"))
	}
}

// missing says what to do about a setting that has to be there.
var missing = map[string]string{
	"data": "a server in production has no data directory by default; netherite dev has",
	"grpc": "a server in production says where it listens, such as 127.0.0.1:4001,127.0.0.1:8080",
	"http": "a server in production says where it listens, such as 127.0.0.1:8082, or off",
}

// bounds finds what is too large or too small.
func (v *values) bounds() {
	v.outOfBounds()
	if payload, message := get[int64](v, "limits.payload"), get[int64](v, "limits.message"); message < payload {
		v.wrong("%s: it is %d bytes, and a payload may have %d (limits.payload): no message could carry that", v.said("limits.message"), message, payload)
	}
	if get[time.Duration](v, "retention.keep") == 0 {
		v.wrong("%s: it is 0: say how long, at least 1s, or forever", v.said("retention.keep"))
	}
	for _, host := range get[[]string](v, "hosts") {
		if host == "" || strings.ContainsAny(host, "/:@ ") && net.ParseIP(host) == nil {
			v.wrong("%s: %q is no name of a host, without scheme and port, such as ops.example.com", v.said("hosts"), host)
		}
	}
	for _, r := range get[[]server.RetentionRule](v, "retention.rules") {
		if _, err := server.HubDir("", r.Hub); r.Hub != "" && err != nil {
			v.wrong("%s: hub: %w", v.said("retention.rules"), err)
		}
	}
	if f := get[string](v, "log.format"); f != "text" && f != "json" {
		v.wrong("%s: %q is neither text nor json", v.said("log.format"), f)
	}
	if hub := get[string](v, "hub"); strings.TrimSpace(hub) != hub || hub == "" {
		v.wrong("%s: %q is no name of a task hub", v.said("hub"), hub)
	}
}
