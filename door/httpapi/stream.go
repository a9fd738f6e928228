package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

const (
	// resumeSlack is how much earlier than the last event a stream begins that is
	// resumed: a change becomes known later than its time.
	resumeSlack = time.Minute
	// resumed bounds how many instances a stream that is resumed tells of.
	resumed = 10_000
	// patience is how long a reader may take to read what it has been sent.
	patience = 30 * time.Second
)

// change is what a stream says of an instance.
type change struct {
	InstanceID    string  `json:"instanceId"`
	Name          string  `json:"name"`
	Version       string  `json:"version,omitempty"`
	RuntimeStatus string  `json:"runtimeStatus"`
	CreatedTime   *string `json:"createdTime"`
	LastUpdated   *string `json:"lastUpdatedTime"`
	Gone          bool    `json:"gone,omitempty"`
}

func changeOf(c *engine.Change) change {
	return change{
		InstanceID: c.Instance, Name: c.Name, Version: c.Version, RuntimeStatus: c.Status.String(),
		CreatedTime: moment(c.Created), LastUpdated: moment(c.LastUpdated), Gone: c.Gone,
	}
}

// stream is one reader of changes.
type stream struct {
	c     *call
	out   *http.ResponseController
	watch engine.Watch
	o     engine.WatchOptions
}

// changes tells what changes, as server-sent events, until the reader leaves or
// the server is about to go down.
func (c *call) changes([]string) error {
	s := &stream{c: c, out: http.NewResponseController(c.w)}
	if err := s.filter(); err != nil {
		return err
	}
	w, ok := c.client.(engine.Watcher)
	if !ok {
		return &Refusal{http.StatusNotImplemented, "the engine of this task hub does not tell what changes"}
	}
	var err error
	if s.watch, err = w.Watch(s.o); err != nil {
		return err
	}
	defer s.watch.Close()
	c.w.Header().Set("Content-Type", "text/event-stream")
	c.w.Header().Set("Cache-Control", "no-cache")
	c.w.Header().Set("X-Accel-Buffering", "no") // for proxies that would wait for more
	c.w.WriteHeader(http.StatusOK)
	_ = s.run() // the reader has left
	return nil
}

// filter reads which changes are wanted.
func (s *stream) filter() error {
	q, err := s.c.filter()
	if err != nil {
		return err
	}
	if q.CreatedFrom != 0 || q.CreatedTo != 0 {
		return badRequest("changes are not filtered by the time of creation")
	}
	entities, err := s.c.query.flag("entities", false)
	if err != nil {
		return err
	}
	buffer, err := s.c.query.number("buffer", s.c.api.opts.Buffer)
	if err != nil {
		return err
	}
	if buffer == 0 {
		buffer = s.c.api.opts.Buffer
	}
	s.o = engine.WatchOptions{
		Entities: entities, Instance: s.c.query.text("instanceId"), Names: s.c.query.all("name"), Statuses: q.Statuses,
		IDPrefix: q.IDPrefix, Buffer: buffer,
	}
	return nil
}

func (s *stream) run() error {
	ctx, cancel := s.c.waiting()
	defer cancel()
	last := s.c.r.Header.Get("Last-Event-ID")
	err := s.send("ready", "", map[string]bool{"resumed": last != ""})
	if err == nil && last != "" {
		err = s.resume(ctx, last)
	}
	for err == nil {
		err = s.step(ctx)
	}
	switch {
	case s.c.api.drain.Err() != nil:
		return s.send("end", "", message{"the server is about to go down"})
	case errors.Is(err, engine.ErrClosed):
		return s.send("end", "", message{"the task hub has been closed"})
	}
	return err
}

type message struct {
	Message string `json:"message"`
}

var errBeat = errors.New("time for a heartbeat")

// step waits for changes and sends them, or a heartbeat if there are none.
func (s *stream) step(ctx context.Context) error {
	short, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer s.c.api.opts.Clock.AfterFunc(s.c.api.opts.Heartbeat, func() { cancel(errBeat) })()
	changes, lost, err := s.watch.Next(short)
	if errors.Is(err, errBeat) {
		return s.write(": alive\n\n")
	} else if err != nil {
		return err
	}
	id := s.id()
	for i := range changes {
		if err := s.send("change", id, changeOf(&changes[i])); err != nil {
			return err
		}
	}
	if lost {
		return s.lost("changes may have been missed, as too many came at once or the task hub has recovered from a failure: read the instances again")
	}
	return nil
}

func (s *stream) lost(text string) error { return s.send("lost", "", message{text}) }

// id names how far the reader is: the time.
func (s *stream) id() string {
	return strconv.FormatInt(int64(model.TimeOf(s.c.api.opts.Clock.Wall())), 10)
}

// resume sends how the instances are that have changed since an event, and some
// that changed shortly before. Those that have been forgotten meanwhile are not
// told of.
func (s *stream) resume(ctx context.Context, last string) error {
	at, err := strconv.ParseInt(last, 10, 64)
	if err != nil || at <= 0 {
		return s.lost(fmt.Sprintf("there is no event %q: read the instances again", last))
	}
	q := engine.Query{
		Entities: s.o.Entities, Names: s.o.Names, Statuses: s.o.Statuses, IDPrefix: s.o.IDPrefix, PageSize: 1_000,
		UpdatedFrom: max(model.Time(at).Add(-resumeSlack), 1),
	}
	if s.o.Instance != "" {
		q.IDPrefix, q.Entities = s.o.Instance, model.IsEntity(s.o.Instance)
	}
	id := s.id()
	for left := resumed; left > 0; {
		page, err := s.c.client.Query(ctx, q)
		if ctx.Err() != nil {
			return err
		} else if err != nil {
			return s.lost("what has changed cannot be read now: " + err.Error())
		}
		for _, i := range page.Instances {
			if s.o.Instance != "" && i.ID != s.o.Instance {
				continue
			}
			c := engine.Change{
				Instance: i.ID, Name: i.Name, Version: i.Version, Status: i.Status, Created: i.Created, LastUpdated: i.LastUpdated,
			}
			if err := s.send("change", id, changeOf(&c)); err != nil {
				return err
			}
		}
		if q.Token = page.Token; q.Token == "" {
			return nil
		}
		left -= len(page.Instances)
	}
	return s.lost("more has changed than is told: read the instances again")
}

// send writes an event.
func (s *stream) send(kind, id string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return err
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	return s.write(id + "event: " + kind + "\ndata: " + string(b) + "\n\n")
}

// write writes to the reader, who has to take it in time.
func (s *stream) write(text string) error {
	err := s.out.SetWriteDeadline(s.c.api.opts.Clock.Wall().Add(patience))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.c.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.out.Flush()
}
