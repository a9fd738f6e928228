package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// entityID is the instance ID of an entity; "$" stands for an empty key. With an "@"
// in the type it would be the ID of an entity of another type.
func entityID(name, key string) (string, error) {
	if strings.Contains(name, "@") {
		return "", badRequest("%q is no type of entities: it contains an @", name)
	}
	if key == "$" {
		key = ""
	}
	return model.EntityID{Name: name, Key: key}.String(), nil
}

// entity answers with the state of an entity.
func (c *call) entity(args []string) error {
	id, err := entityID(args[0], args[1])
	if err != nil {
		return err
	}
	i, err := c.client.Get(c.r.Context(), id, engine.GetOptions{Payloads: true})
	switch {
	case err != nil:
		return err
	case i.Entity == nil || i.Entity.State == nil:
		return fmt.Errorf("entity %q has no state: %w", i.ID, engine.ErrNotFound)
	}
	writeJSON(c.w, http.StatusOK, value(i.Entity.State))
	return nil
}

// entityBody is what is shown of an entity in a list.
type entityBody struct {
	EntityID struct {
		Name string `json:"name"`
		Key  string `json:"key"`
	} `json:"entityId"`
	LastOperationTime *string `json:"lastOperationTime"`
	State             any     `json:"state,omitempty"`
}

// entities answers with a page of entities.
func (c *call) entities(args []string) error {
	q := engine.Query{Entities: true, Token: c.r.Header.Get(continuation)}
	var err error
	if args[0] != "" {
		if q.IDPrefix, err = entityID(args[0], ""); err != nil {
			return err
		}
	}
	if q.UpdatedFrom, err = c.query.time("lastOperationTimeFrom"); err != nil {
		return err
	}
	if q.UpdatedTo, err = c.query.time("lastOperationTimeTo"); err != nil {
		return err
	}
	if q.PageSize, err = c.query.number("top", 1000); err != nil {
		return err
	}
	fetch, err := c.query.flag("fetchState", false)
	if err != nil {
		return err
	}
	q.Payloads = fetch
	page, err := c.client.Query(engine.UntilDone(c.r.Context()), q)
	if err != nil {
		return err
	}
	out := []*entityBody{}
	for _, i := range page.Instances {
		id, err := model.ParseEntityID(i.ID)
		if err != nil || i.Entity == nil || !i.Entity.HasState {
			continue // one that is only about to be, or has been
		}
		e := &entityBody{LastOperationTime: moment(i.LastUpdated)}
		e.EntityID.Name, e.EntityID.Key = id.Name, id.Key
		if fetch {
			e.State = value(i.Entity.State)
		}
		out = append(out, e)
	}
	c.next(page.Token)
	writeJSON(c.w, http.StatusOK, out)
	return nil
}

// signal sends a one-way operation to an entity.
func (c *call) signal(args []string) error {
	id, err := entityID(args[0], args[1])
	if err != nil {
		return err
	}
	operation := c.query.text("op")
	var input []byte
	if c.isJSON() {
		if input, err = c.body(); err != nil {
			return err
		}
	} else {
		text, err := io.ReadAll(c.r.Body)
		if err == nil {
			err = checkText("the body", string(text))
		}
		if err != nil {
			return err
		}
		if input = []byte("null"); len(text) > 0 {
			input = quoteAlways(text)
		}
	}
	return c.taken(c.client.Signal(c.r.Context(), engine.SignalRequest{
		Entity: id, Operation: operation, Input: input, Trace: c.trace(),
	}))
}

// deleteEntity signals the operation that deletes an entity.
func (c *call) deleteEntity(args []string) error {
	id, err := entityID(args[0], args[1])
	if err != nil {
		return err
	}
	_, err = c.client.Get(c.r.Context(), id, engine.GetOptions{})
	if errors.Is(err, engine.ErrNotFound) {
		return c.taken(nil) // it is not there, which is what was asked for
	}
	if err == nil {
		err = c.client.Signal(c.r.Context(), engine.SignalRequest{Entity: id, Operation: "delete"})
	}
	return c.taken(err)
}
