package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/model"
	"unicode/utf8"
)

// instanceJSON is an instance in the command's output. Fields are only ever added.
// What every instance could have is always there, so that a script can rely on it.
type instanceJSON struct {
	InstanceID    string            `json:"instanceId"`
	Name          string            `json:"name"`
	Version       string            `json:"version"`
	RuntimeStatus string            `json:"runtimeStatus"`
	Input         any               `json:"input"`
	Output        any               `json:"output"`
	CustomStatus  any               `json:"customStatus"`
	CreatedTime   string            `json:"createdTime"`
	LastUpdated   string            `json:"lastUpdatedTime"`
	Completed     string            `json:"completedTime,omitempty"`
	ScheduledTime string            `json:"scheduledTime,omitempty"`
	Tags          map[string]string `json:"tags"`
	ExecutionID   string            `json:"executionId"`
	ParentID      string            `json:"parentInstanceId,omitempty"`
	HistoryEvents int64             `json:"historyEvents,omitempty"`
	HistoryBytes  int64             `json:"historyBytes,omitempty"`
	Failure       *failureJSON      `json:"failure"`
	Entity        *entityJSON       `json:"entity,omitempty"`
	WaitingFor    *waitsJSON        `json:"waitingFor,omitempty"`
}

type failureJSON struct {
	Type         string       `json:"type"`
	Message      string       `json:"message"`
	Stack        string       `json:"stack,omitempty"`
	NonRetriable bool         `json:"nonRetriable,omitempty"`
	Cause        *failureJSON `json:"cause,omitempty"`
}

// String is the failure on one line.
func (f *failureJSON) String() string {
	return (&model.Failure{Type: f.Type, Message: f.Message}).Error()
}

type entityJSON struct {
	State     any      `json:"state"`
	Backlog   int64    `json:"backlog"`
	LockedBy  string   `json:"lockedBy,omitempty"`
	LockQueue []string `json:"lockQueue,omitempty"`
}

func toJSON(m *model.Instance) *instanceJSON {
	j := &instanceJSON{
		InstanceID: m.ID, Name: m.Name, Version: m.Version, RuntimeStatus: m.Status.String(),
		Input: payload(m.Input), Output: payload(m.Output), CustomStatus: payload(m.CustomStatus),
		CreatedTime: stamp(m.Created), LastUpdated: stamp(m.LastUpdated), Completed: stamp(m.Completed), ScheduledTime: stamp(m.ScheduledAt),
		Tags: m.Tags, ExecutionID: m.Execution.String(), HistoryEvents: m.HistoryEvents, HistoryBytes: m.HistoryBytes,
		Failure: toFailure(m.Failure), WaitingFor: toWaits(m),
	}
	if j.Tags == nil {
		j.Tags = map[string]string{} // not null
	}
	if m.Parent != nil {
		j.ParentID = m.Parent.Instance
	}
	if e := m.Entity; e != nil {
		j.Entity = &entityJSON{State: payload(e.State), Backlog: e.Backlog, LockedBy: e.LockedBy, LockQueue: e.LockQueue}
	}
	return j
}

func toFailure(f *model.Failure) *failureJSON {
	if f == nil {
		return nil
	}
	return &failureJSON{Type: f.Type, Message: f.Message, Stack: f.Stack, NonRetriable: f.NonRetriable, Cause: toFailure(f.Cause)}
}

// payload shows JSON as it is, other bytes as a string, and absence as null.
func payload(p []byte) any {
	switch {
	case p == nil:
		return nil
	case json.Valid(p) && utf8.Valid(p):
		return json.RawMessage(p)
	}
	return string(p)
}

// stamp formats a time in RFC 3339, UTC; "" if it is absent.
func stamp(t model.Time) string {
	if t == 0 {
		return ""
	}
	return t.Std().Format(time.RFC3339Nano)
}

// checkedOut is the output of a command. It notes when that cannot be written, so that
// no command need look each time it prints, and none ends as if all had been said.
type checkedOut struct {
	io.Writer
	mu  sync.Mutex
	err error // the first one
}

// Write implements io.Writer.
func (c *checkedOut) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	return n, err
}

// failure is why not all was written. Of a reader that has gone away nothing is said:
// it has read what it wanted.
func (c *checkedOut) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err == nil:
		return nil
	case errors.Is(c.err, syscall.EPIPE):
		return &quiet{exitFailed}
	}
	return fmt.Errorf("write the output: %w", c.err)
}

// unchecked is an output that may fail without the command having failed.
func unchecked(w io.Writer) io.Writer {
	if c, ok := w.(*checkedOut); ok {
		return c.Writer
	}
	return w
}

// printJSON prints one indented JSON value, or the same as YAML.
func printJSON(w io.Writer, v any) error {
	if y, ok := w.(yamlOut); ok {
		return printYAML(y.Writer, v)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if _, err := w.Write(terminal.JSON(b.Bytes())); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// plural is the plural of a unit of work.
func plural(unit string) string {
	if stem, ok := strings.CutSuffix(unit, "y"); ok {
		return stem + "ies"
	}
	return unit + "s"
}
