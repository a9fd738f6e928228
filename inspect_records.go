package netherite

import (
	"errors"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

// records decodes every record of side files and of the log, and checks that none is
// missing. Of a log that is not whole it decodes what is left: what is missing there is
// said already.
func (r *Report) records(d *directory, whole bool) error {
	sequence := core.NewSequence(r.Stamps)
	aside, err := r.side(d, sequence)
	if err != nil {
		return err
	}
	read := func(at substrate.Offset, group []byte, in filelog.Place) error {
		file := d.fs.PathJoin(logName, in.File)
		err := core.ReadGroup(at, group, func(run core.Run) {
			r.Records += int64(run.Records)
			if whole && (run.Partition >= len(aside) || run.End > aside[run.Partition]) {
				r.add(sequence, run, file, in.Offset+int64(run.End-at))
			}
		})
		if err != nil {
			r.Damage = append(r.Damage, Damage{File: file, Offset: in.Offset, Kind: undecodable(err), Detail: err.Error(), Partition: -1})
		}
		return nil
	}
	dir := d.fs.PathJoin(d.dir, logName)
	if whole {
		return filelog.Groups(d.fs, dir, r.LogBegin, read)
	}
	left, err := filelog.Salvage(d.fs, dir, filelog.HubID(r.Hub), r.reach)
	switch {
	case err == nil:
		return left.Places(read)
	case errors.Is(err, substrate.ErrDamaged), errors.Is(err, substrate.ErrNewerFormat):
		return nil // it is another hub's, or a newer program's, which is said already
	}
	return err
}

// undecodable is the kind of damage that keeps records from being decoded.
func undecodable(err error) string {
	if errors.Is(err, engine.ErrNewerFormat) {
		return "version"
	}
	return "crc"
}

// add checks a run of records of one partition, which ends at a place in a file,
// against those before.
func (r *Report) add(sequence *core.Sequence, run core.Run, file string, end int64) {
	pending, err := sequence.Add(run)
	if pending {
		r.Pending[run.Partition] += int64(run.Records)
	}
	if err != nil && !r.lost[-1] && !r.lost[run.Partition] {
		r.Damage = append(r.Damage, Damage{File: file, Offset: end, Kind: "chain", Detail: err.Error(), Partition: run.Partition})
	}
}

// side reads the side files that the store has notes of, and those of which it cannot be
// known whether it has. It returns where in the
// log the last record of each partition ended that it found there.
func (r *Report) side(d *directory, sequence *core.Sequence) ([]substrate.Offset, error) {
	files := sidefile.Open(d.fs, d.fs.PathJoin(d.dir, sideName), d.params.Hub)
	if damage, ok := errors.AsType[*substrate.Damage](files.KnownDirectory()); ok {
		r.damaged(sideName, damage, -1) // no partition could be parked
	}
	ends := make([]substrate.Offset, r.Partitions)
	for p, note := range r.notes {
		file := d.fs.PathJoin(sideName, sidefile.Name(p))
		if stored := r.Stamps[p].Offset; note == nil && r.noted[p] || note != nil && note.Last <= stored && stored <= note.Covered {
			// A file without a note is void, and so is one of which the store has all. But no
			// hub opens with one that is another hub's, or a newer program's.
			if err := r.orNewer(file, files.Known(p)); err != nil {
				return nil, err
			}
			continue
		}
		s := &sideReading{r: r, sequence: sequence, partition: p, note: note, file: file}
		hurt, err := s.judge(files.Places(p, s.chunk))
		if err != nil {
			if err := r.orNewer(file, err); err != nil {
				return nil, err
			}
			continue
		}
		if hurt != nil {
			r.damaged(sideName, hurt, p)
			r.lost[p] = true // what follows cannot be checked
		}
		if note != nil {
			ends[p] = s.end
		}
	}
	return ends, nil
}

// sideReading reads one side file.
type sideReading struct {
	r         *Report
	sequence  *core.Sequence
	partition int
	note      *core.SideNote // nil: it cannot be read, and nothing tells what the file has to have
	file      string
	end       substrate.Offset // where in the log the last chunk ended
	at        int64            // where in the file the present chunk begins, or what follows the last
}

// chunk takes a chunk at an offset of the file.
func (s *sideReading) chunk(end substrate.Offset, chunk []byte, at int64) error {
	begin := end - substrate.Offset(len(chunk))
	s.end, s.at = end, at
	err := core.ReadGroup(begin, chunk, func(run core.Run) {
		if s.note != nil {
			s.r.Records += int64(run.Records)
			s.r.add(s.sequence, run, s.file, at+int64(run.End-begin))
		}
	})
	if err == nil {
		s.at += int64(len(chunk))
	}
	return err
}

// judge says what is wrong with a file that was read with some outcome; nil if nothing
// is.
func (s *sideReading) judge(outcome error) (*substrate.Damage, error) {
	hurt := &substrate.Damage{File: sidefile.Name(s.partition), Offset: s.at}
	damage, damaged := errors.AsType[*substrate.Damage](outcome)
	stored := s.r.Stamps[s.partition].Offset
	switch {
	case damaged:
		return damage, nil
	case errors.Is(outcome, substrate.ErrNoSideFile) && s.note == nil:
		return nil, nil
	case errors.Is(outcome, substrate.ErrNoSideFile):
		hurt.Kind, hurt.Detail = "short", "it is missing, and the store has a note of it"
	case errors.Is(outcome, engine.ErrNewerFormat), errors.Is(outcome, engine.ErrDamaged):
		hurt.Kind, hurt.Detail = undecodable(outcome), outcome.Error()
	case outcome != nil:
		return nil, outcome
	case s.note == nil:
		return nil, nil
	case s.end < s.note.Last:
		hurt.Kind, hurt.Detail = "short", fmt.Sprintf("it ends at log position %d, the store notes %d", s.end, s.note.Last)
	case s.note.Covered < stored:
		hurt.Kind, hurt.Detail = "short", fmt.Sprintf("it covers the log up to %d, the stored state is of %d", s.note.Covered, stored)
	default:
		return nil, nil
	}
	return hurt, nil
}
