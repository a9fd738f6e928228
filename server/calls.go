package server

import (
	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable/durablehttp"
)

// open opens a hub, with what makes HTTP calls for its orchestrations if the
// configuration allows any.
func (c *Config) open(dir string, opts []netherite.Option) (*netherite.Hub, error) {
	if len(c.Calls.Hosts) == 0 {
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
