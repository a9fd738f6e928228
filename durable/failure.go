package durable

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/netherite-go/netherite/model"
)

// plainType is the failure type of errors that have neither a name nor a type
// of their own.
const plainType = "Error"

// FailureOf turns an error into what is stored of it: its message, the first
// name or type found in its tree, and as causes the further names, so that
// errors.Is holds for all of them on the other side.
func FailureOf(err error) *model.Failure {
	if err == nil {
		return nil
	}
	w := failureWriter{}
	w.walk(err)
	if len(w.nodes) == 0 {
		w.nodes = []*model.Failure{{Type: typeName(err)}}
	}
	root := w.nodes[0]
	root.Message = err.Error()
	root.NonRetriable = root.NonRetriable || w.nonRetriable
	for i, last := 1, root; i < len(w.nodes); i++ {
		for last.Cause != nil {
			last = last.Cause
		}
		last.Cause = w.nodes[i]
	}
	return root
}

type failureWriter struct {
	nodes        []*model.Failure
	nonRetriable bool
}

// walk collects what has a name in an error's tree, in the order of errors.Is.
func (w *failureWriter) walk(err error) {
	switch e := err.(type) {
	case *Error:
		w.add(&model.Failure{Type: e.name, Message: e.name, Properties: e.properties})
	case *TaskError:
		w.add(e.failure())
		return // its causes are in there
	case *nonRetriable:
		w.nonRetriable = true
	case *model.Failure:
		w.add(e)
		return
	}
	switch err {
	case context.DeadlineExceeded:
		w.add(&model.Failure{Type: model.FailureTimeout, Message: err.Error()})
	case context.Canceled:
		w.add(&model.Failure{Type: ErrCanceled.name, Message: err.Error()})
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			w.walk(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			w.walk(inner)
		}
	}
}

// add appends a copy, unless the type is known already.
func (w *failureWriter) add(f *model.Failure) {
	for _, n := range w.nodes {
		for c := n; c != nil; c = c.Cause {
			if c.Type == f.Type {
				return
			}
		}
	}
	w.nodes = append(w.nodes, copyFailure(f))
}

// copyFailure copies the chain, because links are added at its end.
func copyFailure(f *model.Failure) *model.Failure {
	if f == nil {
		return nil
	}
	c := *f
	c.Cause, c.Properties = copyFailure(f.Cause), copyProperties[[]byte](f.Properties)
	return &c
}

// copyProperties copies them with their values: one side of it is what is stored, the
// other is what code may change.
func copyProperties[To, From ~[]byte](from map[string]From) map[string]To {
	if len(from) == 0 {
		return nil
	}
	to := make(map[string]To, len(from))
	for k, v := range from { // order-free: copies a map
		to[k] = To(bytes.Clone(v))
	}
	return to
}

func (e *TaskError) failure() *model.Failure {
	if e == nil {
		return nil
	}
	return &model.Failure{
		Type: e.Type, Message: e.Message, Stack: e.Stack, NonRetriable: e.NonRetriable, Cause: e.Cause.failure(),
		Properties: copyProperties[[]byte](e.Properties),
	}
}

// taskError is the inverse of FailureOf; task says what failed.
func taskError(task string, f *model.Failure) *TaskError {
	e := &TaskError{
		Task: task, Type: f.Type, Message: f.Message, Stack: f.Stack, NonRetriable: f.NonRetriable,
		Properties: copyProperties[json.RawMessage](f.Properties),
	}
	if f.Cause != nil {
		e.Cause = taskError("", f.Cause)
	}
	return e
}

// typeName returns the Go type of the first error in the chain that is more
// than a message.
func typeName(err error) string {
	for ; err != nil; err = errors.Unwrap(err) {
		name := strings.TrimPrefix(fmt.Sprintf("%T", err), "*")
		if !strings.HasPrefix(name, "errors.") && !strings.HasPrefix(name, "fmt.") && name != "durable.nonRetriable" {
			return name
		}
	}
	return plainType
}
