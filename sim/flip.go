package sim

import (
	"errors"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
)

// flip flips a bit of the log, in a copy of the disk, and looks what comes of it:
// an error that names the place, or what was written, all but what the last sync
// wrote, which cannot be told from what is torn.
func (w *world) flip() {
	fs := w.fs.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1})
	fs.SetCapacity(1 << 40) // to open it may take a new segment
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
	w.fault(BitFlips, "bit flip", digest(name), uint64(at))
	l, err := filelog.Open(filelog.Options{FS: fs, Dir: hubDir, Hub: filelog.HubID{1}, Inline: true, MinSegmentBytes: w.plan.segment})
	if err == nil {
		err = w.prefix.Holds(l, w.prefix.BeforeLast())
	}
	if err != nil && !errors.Is(err, substrate.ErrNewerFormat) && !blames(err, name, at) {
		w.fail("bit flip: in %s at %d: %w", name, at, err)
	}
}

// blames reports whether an error names the place that is damaged: a file, and where
// what a checksum covers begins. A segment whose head is damaged is missed by the next
// one; and without one of the copies of the log's state another file may lack what the
// other copy has not heard of.
func blames(err error, name string, at int) bool {
	where, ok := errors.AsType[*substrate.Damage](err)
	switch {
	case !ok:
		return false
	case where.File == name:
		return where.Offset <= int64(at)
	}
	return name == "identity" || where.Kind == "chain" && where.File > name
}
