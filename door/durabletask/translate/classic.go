package translate

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/model"
)

// Orchestrations of .NET talk to entities in one of two ways. The classic one knows
// nothing but external events: an operation, a lock request or a release is an
// event of a certain name with a message in JSON, and the answer is an event named
// by the request. Here it becomes what the other SDKs send, and in the history
// that the worker is shown it is the event that it has sent. What was sent in the
// classic way has its name as the Version, which no other event for an entity has.

const (
	classicOperation = "op"      // or with the time when it is due: "op@TIME"
	classicRelease   = "release" // of one entity of a critical section
	lockAnswer       = "Lock Acquisition Completed"
)

// classicRequest is the message of a classic event to an entity.
type classicRequest struct {
	Operation string          `json:"op,omitempty"`
	Signal    bool            `json:"signal,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"` // a string of JSON
	ID        string          `json:"id"`
	Parent    string          `json:"parent,omitempty"`
	Execution string          `json:"parentExecution,omitempty"`
	Due       *time.Time      `json:"due,omitempty"`
	LockSet   []classicEntity `json:"lockset,omitzero"` // of none it is still a lock request
	Position  int32           `json:"pos,omitempty"`
}

type classicEntity struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

// classicResponse is the message of a classic answer of an entity.
type classicResponse struct {
	Result  *string         `json:"result"`
	Error   *string         `json:"exceptionType,omitempty"` // its message, whatever the name says
	Failure *classicFailure `json:"failureDetails,omitempty"`
}

type classicFailure struct {
	Type         string          `json:"ErrorType"`
	Message      string          `json:"ErrorMessage"`
	Stack        string          `json:"StackTrace,omitempty"`
	Cause        *classicFailure `json:"InnerFailure,omitempty"`
	NonRetriable bool            `json:"IsNonRetriable,omitempty"`
}

// isClassic reports whether an event is a message to an entity that was sent in
// the classic way.
func isClassic(e *model.Event) bool {
	switch e.Kind {
	case model.EntitySignaled, model.EntityCalled, model.EntityLockRequested, model.EntityUnlockSent:
		return e.Version != ""
	}
	return false
}

// ReadClassic reads what an event says that was sent to an entity. It reports
// whether the event is such a message at all, by its name.
func ReadClassic(e *model.Event, instance, name string, data []byte) (bool, error) {
	if !model.IsEntity(instance) || name != classicRelease && name != classicOperation && !strings.HasPrefix(name, classicOperation+"@") {
		return false, nil
	}
	var q classicRequest
	if err := json.Unmarshal(data, &q); err != nil {
		return true, fmt.Errorf("the event %q for entity %q has no message to an entity in it: %w", name, instance, err)
	}
	e.Instance, e.RequestID, e.Version = model.CanonicalID(instance), q.ID, name
	switch {
	case name == classicRelease:
		e.Kind = model.EntityUnlockSent
	case q.LockSet != nil:
		e.Kind = model.EntityLockRequested
		set := make([]string, len(q.LockSet))
		for i, id := range q.LockSet {
			set[i] = model.EntityID(id).String()
		}
		e.Ext = &model.Ext{LockSet: set, Position: q.Position}
	default:
		e.Kind, e.Name, e.Payload = model.EntityCalled, q.Operation, classicPayload(q.Input)
		if q.Signal {
			e.Kind = model.EntitySignaled
		}
		e.FireAt = classicDue(&q, name)
	}
	return true, nil
}

// classicPayload is the input of a classic operation: JSON inside of a string, or
// as it is.
func classicPayload(input json.RawMessage) []byte {
	var text *string
	switch {
	case len(input) == 0:
		return nil
	case json.Unmarshal(input, &text) != nil:
		return input
	case text == nil:
		return nil
	}
	return []byte(*text)
}

// classicDue is when a classic operation is to run: the message or else the name
// says so; zero is at once.
func classicDue(q *classicRequest, name string) model.Time {
	if q.Due != nil {
		return model.TimeOf(*q.Due)
	}
	if _, text, ok := strings.Cut(name, "@"); ok {
		if due, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return model.TimeOf(due)
		}
	}
	return 0
}

// sayClassic says a message to an entity as the event that the worker has sent.
func (h *History) sayClassic(e *model.Event) *wire.HistoryEvent {
	x := e.Extra()
	q := classicRequest{ID: valid(e.RequestID), Parent: valid(h.Instance), Execution: h.Execution.String()}
	switch e.Kind {
	case model.EntityLockRequested:
		q.Position, q.LockSet = x.Position, make([]classicEntity, 0, len(x.LockSet))
		for _, entity := range x.LockSet {
			if id, err := model.ParseEntityID(entity); err == nil {
				q.LockSet = append(q.LockSet, classicEntity(id))
			}
		}
	case model.EntitySignaled, model.EntityCalled:
		q.Operation, q.Signal = valid(e.Name), e.Kind == model.EntitySignaled
		if e.Payload != nil {
			q.Input, _ = json.Marshal(valid(string(e.Payload))) // a string is always JSON
		}
		if e.FireAt != 0 {
			due := e.FireAt.Std()
			q.Due = &due
		}
	}
	data, err := json.Marshal(&q)
	if err != nil {
		data = []byte("{}") // a time beyond the year 9999, which model.Time does not have
	}
	return &wire.HistoryEvent{EventId: e.ID, Timestamp: stamp(e.Time), EventType: &wire.HistoryEvent_EventSent{EventSent: &wire.EventSentEvent{
		InstanceId: valid(e.Instance), Name: valid(e.Version), Input: wrapperspb.String(string(data)),
	}}}
}

// sayClassicAnswer says an entity's answer as the event that a classic request
// is answered by.
func sayClassicAnswer(e *model.Event) *wire.HistoryEvent {
	var r classicResponse
	switch e.Kind {
	case model.EntityLockGranted:
		text := lockAnswer
		r.Result = &text
	case model.EntityOperationFailed:
		r.Failure = toClassicFailure(e.Failure)
		if r.Failure == nil {
			r.Failure = &classicFailure{}
		}
		r.Error = &r.Failure.Message
	default:
		if e.Payload != nil {
			text := valid(string(e.Payload))
			r.Result = &text
		}
	}
	data, err := json.Marshal(&r)
	if err != nil {
		data = []byte("{}") // strings are always JSON
	}
	return &wire.HistoryEvent{EventId: e.ID, Timestamp: stamp(e.Time), EventType: &wire.HistoryEvent_EventRaised{EventRaised: &wire.EventRaisedEvent{
		Name: valid(e.RequestID), Input: wrapperspb.String(string(data)),
	}}}
}

func toClassicFailure(f *model.Failure) *classicFailure {
	if f == nil {
		return nil
	}
	return &classicFailure{
		Type: valid(f.Type), Message: valid(f.Message), Stack: valid(f.Stack), Cause: toClassicFailure(f.Cause), NonRetriable: f.NonRetriable,
	}
}

func fromClassicFailure(f *classicFailure) *model.Failure {
	if f == nil {
		return nil
	}
	return &model.Failure{Type: f.Type, Message: f.Message, Stack: f.Stack, Cause: fromClassicFailure(f.Cause), NonRetriable: f.NonRetriable}
}

// readClassicAnswer reads the answer to a classic request out of a history that a
// worker hands in.
func readClassicAnswer(e *model.Event, request model.Kind) {
	var r classicResponse
	if json.Unmarshal(e.Payload, &r) != nil {
		return // some other event of that name
	}
	e.RequestID, e.Name, e.Payload = e.Name, "", nil
	switch {
	case request == model.EntityLockRequested:
		e.Kind = model.EntityLockGranted
	case r.Error != nil || r.Failure != nil:
		e.Kind, e.Failure = model.EntityOperationFailed, fromClassicFailure(r.Failure)
		if e.Failure == nil {
			e.Failure = &model.Failure{Message: *r.Error}
		}
	default:
		e.Kind = model.EntityResponded
		if r.Result != nil {
			e.Payload = []byte(*r.Result)
		}
	}
}
