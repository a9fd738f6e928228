package sim

import (
	"errors"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
)

// flip flips a bit of the log, in a copy of the disk, and looks what comes of it:
// an error that names the place, or what was written, all but the last group,
// which cannot be told from a torn one.
func (w *world) flip() {
	fs := w.fs.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1})
	names, err := fs.List(hubDir)
	if err != nil || len(names) == 0 {
		return
	}
	name := names[w.disk.IntN(len(names))]
	at, bit := 0, byte(1)<<w.disk.IntN(8)
	err = fs.Alter(hubDir+"/"+name, func(data []byte) []byte {
		if len(data) > 0 {
			at = w.disk.IntN(len(data))
			data[at] ^= bit
		}
		return data
	})
	if err != nil {
		return
	}
	w.fault("bit flip", digest(name), uint64(at))
	l, err := filelog.Open(filelog.Options{FS: fs, Dir: hubDir, Hub: filelog.HubID{1}, Inline: true, MinSegmentBytes: w.plan.segment})
	if err != nil {
		var where *substrate.Damage
		if !errors.As(err, &where) && !errors.Is(err, substrate.ErrNewerFormat) && !errors.Is(err, substrate.ErrForeign) {
			w.fail("bit flip: in %s at %d: %w", name, at, err)
		}
		return
	}
	if err := w.prefix.Holds(l, w.prefix.BeforeLast()); err != nil && !errors.Is(err, substrate.ErrDamaged) {
		w.fail("bit flip: in %s at %d: %w", name, at, err)
	}
}
