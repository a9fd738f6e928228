package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

// damage is a row of the store that cannot be read. Its partition parks, at the
// next opening or when it needs the row.
type damage struct {
	partition int
	key       []byte
	atOnce    bool // every opening needs the row
}

// longestDamage bounds how long a row stays damaged in chaos: requests are
// remembered for an hour.
const longestDamage = 5 * time.Minute

// parks says whether rows get damaged in a run: in few, in which there are other
// partitions that have to go on, and in which what is opened again surprises nobody.
func (p *plan) parks(seed uint64) bool {
	r := rand.New(rand.NewPCG(seed, 120))
	return r.IntN(4) == 0 && p.partitions > 1 && slices.ContainsFunc(repeating, p.has)
}

// scheduleDamage has a row damaged now and then, and put back after a while.
func (w *world) scheduleDamage() {
	if !w.plan.has(DamagedRows) {
		return
	}
	day := w.days
	var again func()
	again = func() {
		if !w.chaos || w.days != day {
			return
		}
		w.damageRow(w.anyPartition())
		d := w.damage
		w.after(min(longestDamage, w.damagePause()), func() {
			if !w.chaos {
				return // whoever ends it sees to the row
			}
			if d != nil && w.damage == d {
				w.mend()
			}
			next := w.damagePause()
			if w.parking.IntN(2) == 0 { // before it has taken a checkpoint
				next = time.Duration(w.parking.IntN(4000)) * time.Millisecond
			}
			w.after(next, again)
		})
	}
	w.after(w.damagePause(), again)
}

func (w *world) damagePause() time.Duration {
	return time.Duration(float64(2*w.plan.pause) * w.parking.ExpFloat64())
}

// lastDamage leaves the hub with a damaged row when all other faults end.
func (w *world) lastDamage() {
	if !w.plan.has(DamagedRows) {
		return
	}
	w.damageNow(w.anyPartition())
}

// damageNow is damageRow between two phases.
func (w *world) damageNow(partition int) {
	if w.damageRow(partition); w.crashed {
		w.powerFailure() // nobody serves who has not read the row
	}
}

// anyPartition is often the one that was damaged last: it may lack the checkpoint
// that makes its side file void.
func (w *world) anyPartition() int {
	if w.parking.IntN(2) == 0 {
		return w.parkedLast
	}
	return w.parking.IntN(w.plan.partitions)
}

// damageRow stops the hub and damages a row of a partition: mostly one that is
// needed to open it.
func (w *world) damageRow(id int) {
	if w.damage != nil || w.crashed || w.failure != nil {
		return
	}
	if w.plan.has(Crashes) && w.parking.IntN(2) == 0 {
		w.losePower("crash before a row is damaged", 0)
	} else {
		w.kill()
	}
	table := "MMMMskoint"[w.parking.IntN(10)]
	keys := w.rowsOf(id, table)
	if len(keys) == 0 {
		table = 'M'
		keys = w.rowsOf(id, table)
	}
	if len(keys) == 0 {
		return // nothing of the partition is stored yet
	}
	w.damages++
	w.parkedLast = id
	// Of what waits for others an opening reads a part, unless all of it is kept in memory.
	atOnce := strings.ContainsRune("Msk", rune(table)) || table == 'o' && w.plan.checkReplay
	w.damage = &damage{partition: id, key: keys[w.parking.IntN(len(keys))], atOnce: atOnce}
	w.store.Damage(substrate.Main, w.damage.key)
	w.fault(DamagedRows, "damaged row", uint64(id), digest(string(w.damage.key)))
}

// isThere reports whether a damaged row is still part of what is stored: a batch that
// had been applied before may have deleted it, and survived.
func (d *damage) isThere(p *process) bool {
	err := p.stored.Scan(substrate.Main, d.key, append(slices.Clone(d.key), 0), func(_, _ []byte) bool { return true })
	return errors.Is(err, substrate.ErrDamaged)
}

func (w *world) rowsOf(partition int, table byte) [][]byte {
	row := []byte{byte(partition >> 8), byte(partition), table}
	return w.store.Keys(substrate.Main, row, []byte{row[0], row[1], table + 1})
}

// mend puts the row back while the hub is down.
func (w *world) mend() {
	if !w.crashed {
		w.kill()
	}
	w.store.Mend()
	w.note("mended row", uint64(w.damage.partition), 0)
	w.damage = nil
}

func (w *world) isDamaged(partition int) bool {
	return w.damage != nil && w.damage.partition == partition
}

// parked is why the partition of an instance is parked; nil if it is not.
func (p *process) parked(instance string) error {
	if instance == "" {
		return nil
	}
	return p.eng.Parked(model.PartitionOf(instance, p.w.plan.partitions))
}

// refused checks an answer that something is unavailable: only a partition with a
// damaged row parks, and says that this is why. It returns what is wrong with that.
func (w *world) refused(instance string, err error) error {
	if instance == "" {
		return err
	}
	id := model.PartitionOf(instance, w.plan.partitions)
	if !w.isDamaged(id) || !errors.Is(err, substrate.ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprintf("partition %d is parked", id)) {
		return err
	}
	if p := w.serving(); p != nil && !p.eng.Failed() && p.eng.Parked(id) != nil && p.eng.Engine().Stats().Parked != 1 {
		return fmt.Errorf("%w, and the hub says that %d partitions are", err, p.eng.Engine().Stats().Parked)
	}
	return nil
}

// lacking is the partitions that were left out of answers about all.
type lacking map[int]bool

// partial takes an answer without the partition that has a damaged row for what it
// is. Any other error is returned.
func (l *lacking) partial(w *world, err error) error {
	p, ok := errors.AsType[*engine.PartialError](err)
	if !ok || len(p.Partitions) != 1 || !w.isDamaged(p.Partitions[0]) || !errors.Is(err, substrate.ErrDamaged) {
		return err
	}
	if *l == nil {
		*l = lacking{}
	}
	(*l)[p.Partitions[0]] = true
	return nil
}

// has reports whether the partition of an instance was left out.
func (l lacking) has(w *world, instance string) bool {
	return l[model.PartitionOf(instance, w.plan.partitions)]
}
