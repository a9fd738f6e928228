package server

import (
	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable/durablehttp"
)

// callsOff is what HTTP calls of orchestrations fail with unless some are allowed.
const callsOff = "this server makes no HTTP calls for orchestrations: to have it make them, list the hosts that may be called in its setting " +
	"calls.hosts (--calls-hosts, NETHERITE_CALLS_HOSTS), such as api.example.com, and start it again"

// noCalls says why HTTP calls are refused; empty if they are made.
func (c *Config) noCalls() string {
	if len(c.Calls.Hosts) > 0 {
		return ""
	}
	return callsOff
}

// open opens a hub, with what makes HTTP calls for its orchestrations if the
// configuration allows any.
func (c *Config) open(dir string, opts []netherite.Option) (*netherite.Hub, error) {
	if c.noCalls() != "" {
		return netherite.Open(dir, opts...)
	}
	calls, err := durablehttp.New(c.Calls)
	if err != nil {
		return nil, err
	}
	hub, err := netherite.Open(dir, append(opts, netherite.Serve(calls.Handlers()...))...)
	if err != nil {
		calls.Close()
		return nil, err
	}
	calls.Attach(hub)
	return hub, nil
}
