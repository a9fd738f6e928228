package pebblestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/internal/kind"
	"github.com/netherite-go/netherite/internal/nospace"
	"github.com/netherite-go/netherite/substrate"
)

// die ends the store because of a failure. The first cause counts.
func (s *Store) die(cause error) {
	if s.end(cause) {
		s.opts.Logger.Error("state store has failed", "dir", s.opts.Dir, "err", cause)
	}
}

// end ends the store, unless it is dead already.
func (s *Store) end(cause error) (ended bool) {
	s.deathOnce.Do(func() {
		s.fence.dead.Store(true)
		s.death = fmt.Errorf("%w: %w: close the store, open it again and recover", substrate.ErrFailed, cause)
		close(s.dead)
		ended = true
	})
	return ended
}

// alive returns why the store takes no calls, or nil.
func (s *Store) alive() error {
	if s.closed {
		return substrate.ErrClosed
	}
	select {
	case <-s.dead:
		return s.death
	default:
		return nil
	}
}

// guard runs a call of Pebble that may wait for something that never comes if
// the store dies meanwhile: a dead flush never reports its end. The call then
// stays behind; the fence keeps it from doing harm.
func (s *Store) guard(call func() error) error {
	_, err := guarded(s, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

// guarded is guard for a call with a result. The call hands it over, rather than
// leave it in a variable that its caller may have given up.
func guarded[T any](s *Store, call func() (T, error)) (result T, err error) {
	type outcome struct {
		result T
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		o.result, o.err = call()
		done <- o
	}()
	select {
	case o := <-done:
		return o.result, s.explain(o.err)
	case <-s.dead:
		return result, s.death
	}
}

// explain names damage and a full disk in the words of the contract.
func (s *Store) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case pebble.IsCorruptionError(err):
		return s.damage(err)
	case errors.Is(err, os.ErrNotExist):
		return s.missing(err)
	case nospace.Is(err):
		return kind.Of(substrate.ErrDiskFull, err)
	}
	return err
}

func (s *Store) damage(err error) *substrate.Damage {
	d := &substrate.Damage{File: filepath.Base(s.opts.Dir), Kind: "crc", Detail: words(err)}
	if info := pebble.ExtractDataCorruptionInfo(err); info != nil {
		d.File = s.relative(info.Path)
		size := int64(0)
		if file, err := s.opts.FS.Stat(info.Path); err == nil {
			size = file.Size()
		}
		d.Offset = offsetOf(d.Detail, size)
	}
	return d
}

// words is the text of an error of Pebble, which says some things twice: on a line of its
// own, or behind each other.
func words(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		said := strings.Split(strings.TrimSpace(line), ": ")
		for i := len(said) - 4; i >= 0; i-- {
			if i+3 < len(said) && said[i] == said[i+2] && said[i+1] == said[i+3] {
				said = slices.Delete(said, i, i+2)
			}
		}
		line = strings.Join(said, ": ")
		if line != "" && line != "<corruption detail carrier>" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// missingTable is how Pebble names a table of its manifest that is not there.
var missingTable = regexp.MustCompile(`file (\d{6,}) \(type sstable\)`)

// otherSize is how Pebble names a table that has not the size that its manifest
// tells of.
var otherSize = regexp.MustCompile(`object size mismatch \(([^)]+)\)`)

// missing is damage by a file that is not there.
func (s *Store) missing(err error) *substrate.Damage {
	d := &substrate.Damage{File: filepath.Base(s.opts.Dir), Kind: "short", Detail: words(err)}
	if path, ok := errors.AsType[*os.PathError](err); ok {
		d.File = s.relative(path.Path)
	}
	return d
}

// missingIn names the table of a database that a missing is about.
func missingIn(database string, d *substrate.Damage) *substrate.Damage {
	d.File = database
	if table := missingTable.FindStringSubmatch(d.Detail); table != nil {
		d.File += "/" + table[1] + ".sst"
	}
	return d
}

func (s *Store) relative(path string) string {
	return strings.TrimLeft(strings.TrimPrefix(path, s.opts.Dir), `/\`)
}

// logger is what Pebble reports to. Its routine messages are of no use to ours.
type logger struct{ store *Store }

// Infof implements pebble.Logger.
func (l *logger) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (l *logger) Errorf(format string, args ...any) {
	l.store.opts.Logger.Warn("state store: "+fmt.Sprintf(format, args...), "dir", l.store.opts.Dir)
}

// Fatalf implements pebble.Logger. It must not return, because what follows in
// Pebble relies on that, and must not end the process. It ends the goroutine:
// that unlocks what deferred calls unlock, so that reads under way come to an
// end, and the fence stops whatever still runs. Goroutines of ours are never in
// here: they reach what can fail like this through guard.
func (l *logger) Fatalf(format string, args ...any) {
	cause := &fatal{message: fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			cause.causes = append(cause.causes, err)
		}
	}
	l.store.die(cause)
	runtime.Goexit()
}

// fatal is what Pebble called fatal.
type fatal struct {
	message string
	causes  []error
}

// Error returns Pebble's message.
func (f *fatal) Error() string { return f.message }

// Unwrap returns the errors that the message was made of.
func (f *fatal) Unwrap() []error { return f.causes }

func (s *Store) listener(c *scheduler) *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { s.backgroundError(c, err) },
		FlushEnd: func(info pebble.FlushInfo) {
			if pebble.IsCorruptionError(info.Err) {
				// It has read memory only, which stays as it is: Pebble would try again for ever.
				s.die(info.Err)
				runtime.Goexit() // as in Fatalf
			}
			notify(s.progress)
		},
		CompactionEnd: func(info pebble.CompactionInfo) {
			c.ended(info.Err)
			notify(s.progress)
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			s.fence.files.spoiled.note(info.Path, info.Details)
			if _, known := s.damaged.LoadOrStore(info.Path, true); !known {
				s.opts.Logger.Error("state store is damaged", "file", s.relative(info.Path), "err", info.Details)
			}
		},
	}
}

// notify leaves a token in a channel, unless there is one.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// backgroundError judges background work that failed. Pebble tries again until it
// succeeds. That is right when the disk is full: the state it wants to write is
// in memory still. It is wrong after a failed write or sync, and no use with a
// damaged table, which is left to those who read it.
func (s *Store) backgroundError(c *scheduler, err error) {
	switch {
	case s.fence.dead.Load():
	case nospace.Is(err):
		notify(s.noSpace)
		return // the fence has waited already
	case errors.Is(err, pebble.ErrCancelledCompaction):
		return
	case c.rests(err):
		return
	case pebble.IsCorruptionError(err):
		if s.damageMet.Add(1) == 1 {
			return
		}
	default:
		s.die(err)
	}
	// Whoever tries again and again, does so once a second.
	s.rests.Add(1)
	s.fence.pause(maxFullWait)
}
