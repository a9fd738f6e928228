// Package model is the narrow waist between workflow languages and execution
// engines: plain data with its validation and its byte encoding, nothing else.
//
// Vocabulary, used everywhere in this project:
//
//   - An instance is addressed by a string ID and is either an orchestration or
//     an entity. It owns private state and an inbox of messages.
//   - A step takes a batch of waiting messages and the instance's state and
//     yields new history, messages, tasks and timers: all committed or none.
//   - An activity (task) is stateless: one input, one result.
//   - An event is one entry of an orchestration's history. What an
//     orchestration asks for (a task, a timer, a child) and what it is told (a
//     result, a fired timer) are both events; Kind.Outgoing tells them apart.
//   - An execution is one generation of an instance; continue-as-new and restart
//     begin a new one. Rewind replaces the history and keeps the execution.
//
// The fields carry everything that the Durable Task protocol's history events
// and actions carry, so that other languages come through without loss.
// Payloads are opaque bytes: nil means absent, empty means the empty string.
package model
