// Package durablehttp makes HTTP calls for orchestrations: an activity of the name
// by which the Durable Task SDKs ask for one, with their JSON. An answer 202 with a
// Location is polled until there is another, by durable timers: over restarts, and
// for days.
//
//	calls, err := durablehttp.New(durablehttp.Options{Hosts: []string{"api.example.com"}})
//	hub, err := netherite.Open(dir, netherite.Serve(calls.Handlers()...))
//	calls.Attach(hub)
//
// Orchestrations in Go call by a handle of that name, as the example does:
//
//	HTTP := durable.DeclareActivity[durablehttp.Request, durablehttp.Response](durablehttp.ActivityName)
//
// Whoever can start an orchestration can have the hub's machine make requests, so
// what can be reached is closed unless it is opened: only hosts that are listed,
// never addresses of the machine itself or of its link, as they are when the
// connection is made; no redirects to other hosts; sizes and times are bounded.
package durablehttp
