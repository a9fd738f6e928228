package netherite

import (
	"errors"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/sysclock"
	"github.com/netherite-go/netherite/worker"
)

// Elsewhere is what options of Open say that holds as well for a hub that is not
// opened here but served by another process: see package remote.
type Elsewhere struct {
	Worker worker.Options // of the code given with Serve
	Serves bool           // code was given
	Own    []any          // what was given with ForElsewhere, in order
}

// ForElsewhere makes an option of another package that takes the options of Open,
// such as remote, of whatever that understands. Open itself refuses it.
func ForElsewhere(v any) Option {
	return func(s *settings) { s.elsewhere = append(s.elsewhere, v) }
}

// OptionsElsewhere reads options for a hub that is not opened here. Those that
// are about its files and its limits, which others are in charge of, are an error
// that names them.
func OptionsElsewhere(opts ...Option) (Elsewhere, error) {
	s := settings{}
	s.worker.Clock = sysclock.New()
	for i, o := range opts {
		if o == nil {
			return Elsewhere{}, fmt.Errorf("%w: option %d of %d is nil", engine.ErrInvalid, i+1, len(opts))
		}
		o(&s)
	}
	if s.wrong != nil {
		return Elsewhere{}, s.wrong
	}
	var refused []error
	for _, o := range []struct {
		name  string
		given bool
	}{
		{"Partitions", s.partitions != 0}, {"MustExist", s.mustExist}, {"InMemory", s.volatile}, {"Storage", s.storage != nil},
		{"Files", s.fs != nil}, {"LogSegments", s.segments != [2]int64{}}, {"Ballast", s.ballast != 0}, {"Meter", s.meter != nil},
		{"Retention", s.engine.Retention != 0}, {"ReleaseLevel", s.engine.Release != ReleaseNode}, {"CheckReplay", s.engine.CheckReplay},
		{"CheckpointEvery", s.engine.Checkpoint.Bytes != 0 || s.engine.Checkpoint.Records != 0},
	} {
		if o.given {
			refused = append(refused, fmt.Errorf("%w: the option %s is for the process that has the hub open: leave it out here", engine.ErrInvalid, o.name))
		}
	}
	if s.engine.Memory != 0 && s.worker.CacheBytes == 0 {
		s.worker.CacheBytes = s.engine.Memory / 8 // as Open shares it out
	}
	s.elsewhereOnly = true
	return Elsewhere{Worker: s.worker, Serves: s.serves, Own: s.elsewhere}, errors.Join(append(refused, s.check())...)
}

// checkElsewhere refuses options that are for another package.
func (s *settings) checkElsewhere() error {
	if len(s.elsewhere) == 0 || s.elsewhereOnly {
		return nil
	}
	return fmt.Errorf("%w: %T is an option for a hub that is served elsewhere: leave it out, or use the package that it is of", engine.ErrInvalid, s.elsewhere[0])
}
