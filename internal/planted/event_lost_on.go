//go:build planted_event_lost

package planted

// EventLost: events that an orchestration raises for another are not sent.
const EventLost = true
