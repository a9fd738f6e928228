package config

import (
	"net/netip"
	"time"

	"github.com/netherite-go/netherite/durable/durablehttp"
)

// calls are what orchestrations may call by HTTP.
func (v *values) calls() durablehttp.Options {
	o := durablehttp.Options{
		Hosts: get[[]string](v, "calls.hosts"), MaxResponse: get[int64](v, "calls.response"),
		CallTimeout: get[time.Duration](v, "calls.timeout"), PollTimeout: get[time.Duration](v, "calls.polling"),
	}
	for _, text := range get[[]string](v, "calls.exempt") {
		if network, err := netip.ParsePrefix(text); err == nil { // wrongCalls has refused others
			o.Exempt = append(o.Exempt, network)
		}
	}
	return o
}

// wrongCalls finds what is wrong about them.
func (v *values) wrongCalls() {
	for _, text := range get[[]string](v, "calls.exempt") {
		if _, err := netip.ParsePrefix(text); err != nil {
			v.wrong("%s: %q is no network; write it as 127.0.0.0/8", v.said("calls.exempt"), text)
		}
	}
	if len(get[[]string](v, "calls.hosts")) == 0 {
		for _, key := range []string{"calls.exempt", "calls.response", "calls.timeout", "calls.polling"} {
			if v.given(key) {
				v.wrong("%s: it needs calls.hosts, which is not set", v.said(key))
			}
		}
		return
	}
	if c, err := durablehttp.New(v.calls()); err != nil {
		v.wrong("%s: %w", v.said("calls.hosts"), err)
	} else {
		c.Close()
	}
}
