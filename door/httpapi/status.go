package httpapi

import (
	"encoding/json"
	"net/http"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// detail is how much of an instance is shown.
type detail struct {
	input        bool
	history      bool
	results      bool // with the history, what its events came to
	failureIs500 bool
}

// statusBody is what is shown of an instance.
type statusBody struct {
	Name          string          `json:"name"`
	InstanceID    string          `json:"instanceId"`
	RuntimeStatus string          `json:"runtimeStatus"`
	Input         json.RawMessage `json:"input"`
	CustomStatus  json.RawMessage `json:"customStatus"`
	Output        json.RawMessage `json:"output"`
	CreatedTime   *string         `json:"createdTime"`
	LastUpdated   *string         `json:"lastUpdatedTime"`
	History       []event         `json:"historyEvents,omitempty"`
}

func statusOf(i *model.Instance, input bool) *statusBody {
	s := &statusBody{
		Name: i.Name, InstanceID: i.ID, RuntimeStatus: i.Status.String(), Input: json.RawMessage("null"), CustomStatus: value(i.CustomStatus),
		Output: value(i.Output), CreatedTime: moment(i.Created), LastUpdated: moment(i.LastUpdated),
	}
	if input {
		s.Input = value(i.Input)
	}
	if i.Failure != nil && i.Output == nil {
		s.Output, _ = json.Marshal(i.Failure.Error()) // a string always can
	}
	return s
}

// writeStatus answers with an instance: 202 if it goes on, 200 if it has ended.
func (c *call) writeStatus(i *model.Instance, d detail) error {
	s := statusOf(i, d.input)
	if d.history && i.Status != model.Pending {
		list, err := c.client.History(engine.UntilDone(c.r.Context()), i.ID)
		if err != nil {
			return err
		}
		s.History = history(list, d)
	}
	code := http.StatusOK
	switch {
	case !i.Status.Ended():
		code = http.StatusAccepted
		c.w.Header().Set("Location", c.links(i.ID).StatusQueryGet)
		c.w.Header().Set("Retry-After", "5")
	case i.Status == model.Failed && d.failureIs500:
		code = http.StatusInternalServerError
	}
	writeJSON(c.w, code, s)
	return nil
}
