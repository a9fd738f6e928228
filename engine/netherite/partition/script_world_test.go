package partition

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

func (sc *script) send(*line) {
	for _, p := range sc.h.parts {
		p.send()
	}
	for _, f := range sc.h.net {
		sc.say("%s: %s", f, showMessages(f.messages))
	}
}

func showMessages(list []*model.Message) string {
	texts := make([]string, len(list))
	for i := range list {
		texts[i] = fmt.Sprintf("%s to %s", showEvent(&list[i].Event), list[i].To)
	}
	return strings.Join(texts, ", ")
}

// nth returns the index of the frame that a command names.
func (l *line) nth() int {
	if len(l.words) > 0 {
		return number(l.words[0]) - 1
	}
	return 0
}

func (sc *script) frames(need int) bool {
	if len(sc.h.net) < need {
		sc.t.Errorf("%s: %d frames under way, the command needs %d", sc.pos, len(sc.h.net), need)
	}
	return len(sc.h.net) >= need
}

func (sc *script) lose(l *line) {
	if sc.frames(l.nth() + 1) {
		sc.h.net = slices.Delete(sc.h.net, l.nth(), l.nth()+1)
	}
}

func (sc *script) dup(l *line) {
	if sc.frames(l.nth() + 1) {
		sc.h.net = slices.Insert(sc.h.net, l.nth(), sc.h.net[l.nth()])
	}
}

func (sc *script) swap(*line) {
	if sc.frames(2) {
		sc.h.net[0], sc.h.net[1] = sc.h.net[1], sc.h.net[0]
	}
}

func (sc *script) deliver(l *line) {
	n := 1 << 30
	if len(l.words) > 0 {
		n = number(l.words[0])
	}
	for ; n > 0; n-- {
		if len(sc.h.net) == 0 {
			for _, p := range sc.h.parts {
				p.send()
			}
		}
		if len(sc.h.net) == 0 {
			return
		}
		f := sc.h.net[0]
		sc.h.net = sc.h.net[1:]
		switch sc.say("%s: %s", f, showMessages(f.messages)); sc.h.receive(f) {
		case Gap:
			sc.say("gap")
		case Drop:
			sc.say("dropped")
		}
		sc.takeEffects()
	}
}

func (sc *script) ack(*line) {
	for _, p := range sc.h.parts {
		if n := p.acknowledge(); n > 0 {
			sc.say("p%d: %d acknowledgements", p.id, n)
		}
	}
}

func (sc *script) timers(l *line) {
	for _, p := range sc.h.parts {
		for _, r := range p.fire(l.num("max", 100)) {
			id, engineMade := r.ID, ""
			if id >= wakeBase {
				id, engineMade = id-wakeBase, " by the engine"
			}
			sc.say("timer %d of %d at %s%s", id, r.Ord, showTime(r.FireAt), engineMade)
		}
	}
}

// each runs f for the partition that a command names, or for all.
func (sc *script) each(l *line, f func(*testPart)) {
	for _, p := range sc.h.parts {
		if len(l.words) == 0 || number(l.arg(0)) == p.id {
			f(p)
		}
	}
}

func (sc *script) checkpoint(l *line) {
	sc.each(l, func(p *testPart) { p.begin(); p.applied() })
}

func (sc *script) capture(l *line) {
	sc.each(l, func(p *testPart) {
		if !p.begin() {
			sc.say("p%d: nothing to capture", p.id)
		}
	})
}

func (sc *script) encode(l *line)  { sc.h.parts[0].state.CaptureSome(number(l.arg(0))) }
func (sc *script) applied(l *line) { sc.each(l, (*testPart).applied) }
func (sc *script) evict(l *line) {
	sc.each(l, func(p *testPart) {
		p.state.Evict(0)
		sc.say("%s", showMemory(p))
	})
}
func (sc *script) crash(l *line) { sc.h.crash(l.num("lose", 0), l.has("ahead")) }

func showMemory(p *testPart) string {
	var ids []string
	for _, ord := range sortedOrds(p.state) {
		inst := p.state.byOrd[ord]
		text := inst.id
		if inst.dirty {
			text += "*"
		}
		ids = append(ids, text)
	}
	return fmt.Sprintf("p%d holds [%s]", p.id, strings.Join(ids, " "))
}

func (sc *script) memory(l *line) {
	sc.each(l, func(p *testPart) { sc.say("%s", showMemory(p)) })
}

func (sc *script) show(l *line) {
	for _, id := range l.words {
		p := sc.h.part(id)
		p.load(p.state, p.store, []Key{{ID: id}})
		text := "none"
		if inst := p.state.byID[id]; inst != nil {
			text = showInstance(p.state, inst.ord)
		}
		p.state.ForgetAbsent()
		sc.say("%s", strings.ReplaceAll(text, "\n", "\n  "))
	}
}

func (sc *script) stored(l *line) {
	p := sc.h.part(l.arg(0))
	other := New(p.config())
	loaded, err := Fetch(p.store, p.id, Key{ID: l.arg(0)})
	p.must(err)
	other.Install(loaded)
	if inst := other.byID[l.arg(0)]; inst != nil {
		sc.say("%s", strings.ReplaceAll(showInstance(other, inst.ord), "\n", "\n  "))
		return
	}
	sc.say("none")
}

func (sc *script) history(l *line) {
	p := sc.h.part(l.arg(0))
	events, _ := p.history(Key{ID: l.arg(0)})
	for i := range events {
		sc.say("%s %s", showTime(events[i].Time), showEvent(&events[i]))
	}
}

func (sc *script) waits(l *line) {
	p := sc.h.part(l.arg(0))
	p.load(p.state, p.store, []Key{{ID: l.arg(0)}})
	m := p.state.Read(l.arg(0), engine.GetOptions{Waits: true})
	p.state.ForgetAbsent()
	if m == nil {
		sc.say("none")
		return
	}
	w := m.Waits
	sc.say("messages=%d inflight=%t tasks=%v timers=%d children=%v calls=%v locks=%v events=%v", w.Messages, w.InFlight, w.Tasks, len(w.Timers), w.Children, w.Calls, w.Locks, w.Events)
	if m.Entity != nil {
		sc.say("backlog=%d locked by %s queue=%v", m.Entity.Backlog, orDash(m.Entity.LockedBy), m.Entity.LockQueue)
	}
}

func (sc *script) query(l *line) {
	q := &engine.Query{Entities: l.has("entities"), Names: l.list("names"), Tags: l.tags(), IDPrefix: l.opts["prefix"]}
	for _, s := range l.list("statuses") {
		q.Statuses = append(q.Statuses, sc.status(s))
	}
	if from := l.opts["from"]; from != "" {
		q.CreatedFrom = epochTime.Add(parseDuration(from))
	}
	if to := l.opts["to"]; to != "" {
		q.CreatedTo = epochTime.Add(parseDuration(to))
	}
	for _, p := range sc.h.parts {
		for after := ""; ; {
			rows, err := runQuery(p.store.snapshot(), p.id, q, after, l.num("page", 3), p.state.Overlay(q, everything(after)), func() bool { return false })
			p.must(err)
			if len(rows) == 0 {
				break
			}
			var ids []string
			for _, r := range rows {
				ids = append(ids, fmt.Sprintf("%s:%s", r.Instance.ID, r.Instance.Status))
			}
			sc.say("%s", strings.Join(ids, " "))
			after = rows[len(rows)-1].Order
		}
	}
}

func (sc *script) rows(*line) {
	for _, p := range sc.h.parts {
		counts := map[string]int{}
		for _, key := range p.store.main.keys {
			table := string(key[2])
			if table == "i" && len(key) > 11 {
				table += string(key[11])
			}
			counts[table]++
		}
		var list []string
		for _, table := range slices.Sorted(maps.Keys(counts)) {
			list = append(list, fmt.Sprintf("%s=%d", table, counts[table]))
		}
		sc.say("p%d: %s history=%d", p.id, strings.Join(list, " "), len(p.store.history.keys))
	}
}

func (sc *script) outbox(*line) {
	for _, p := range sc.h.parts {
		for dest := range p.state.outbox {
			first, next := p.state.OutboxRange(dest)
			if next > 1 {
				sc.say("p%d -> p%d: first=%d next=%d seen=%d", p.id, dest, first, next, sc.h.parts[dest].state.Seen(p.id))
			}
		}
	}
}

func (sc *script) where(l *line) {
	for _, id := range l.words {
		sc.say("%s is in p%d", id, sc.h.part(id).id)
	}
}
