package partition

import (
	"strconv"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// commands are the verbs of the scripts.
var commands map[string]func(*script, *line)

func init() {
	commands = map[string]func(*script, *line){
		// hub [PARTITIONS] [batch=N] [entity-batch=N]: begin anew.
		"hub": func(sc *script, l *line) {
			n := 1
			if len(l.words) > 0 {
				n = number(l.words[0])
			}
			sc.reset(Config{Partitions: n, MaxBatch: l.num("batch", 0), MaxEntityBatch: l.num("entity-batch", 0)})
		},
		// Client requests. Common options: session=C seq=N floor=N key=TEXT retry.
		"start":        (*script).start,      // start ID NAME [INPUT] [at=+5s] [exists=fail|attach|any] [replaceable=S,..] [tags=k:v,..] [version=V]
		"raise":        command(OpRaise),     // raise ID NAME [PAYLOAD]
		"signal":       command(OpSignal),    // signal ENTITY OPERATION [INPUT] [at=+5s]
		"suspend":      command(OpSuspend),   // suspend ID [REASON]
		"resume":       command(OpResume),    // resume ID [REASON]
		"terminate":    command(OpTerminate), // terminate ID [OUTPUT] [recursive]
		"rewind":       command(OpRewind),    // rewind ID [REASON]
		"purge":        command(OpPurge),     // purge ID [recursive]
		"forget":       (*script).forget,     // forget ID...: as found by a query
		"clean":        (*script).clean,      // clean [empty=ENTITY,..] [orphans=ENTITY:SECTION,..]
		"set-aside":    (*script).setAside,   // set-aside ID: quarantine, for what comes again by itself
		"set-aside-v1": (*script).setAsideV1, // set-aside-v1 ID [origin=P through=N]: as step version 1 had it
		// What cannot be applied: the next message under way; a result; a timer that is due.
		"poison-message":  (*script).poisonMessage,  // poison-message
		"poison-activity": (*script).poisonActivity, // poison-activity ID TASK [RESULT]
		"poison-timer":    (*script).poisonTimer,    // poison-timer
		"dispatch":        (*script).dispatch,       // dispatch [max=N]: hand out what is ready
		"step":            (*script).step,           // step ID, then a line for each action
		"batch":           (*script).entityBatch,    // batch ENTITY, then a line for each result
		"activity":        (*script).activity,       // activity ID TASK [RESULT] [fail=TYPE] [of=EPOCH.RECORD]
		"give-back":       (*script).giveBack,       // give-back ID [TASK]: a worker abandons an item

		"send":       (*script).send,       // send: what is unsent goes on its way
		"lose":       (*script).lose,       // lose [N]: the N-th frame
		"dup":        (*script).dup,        // dup [N]: the N-th frame comes twice
		"swap":       (*script).swap,       // swap: the first two frames
		"deliver":    (*script).deliver,    // deliver [N]: N frames, or all that is sent meanwhile too
		"ack":        (*script).ack,        // ack: log the acknowledgements
		"time":       (*script).time,       // time +5s
		"timers":     (*script).timers,     // timers [max=N]: fire what is due
		"checkpoint": (*script).checkpoint, // checkpoint [P]: all of it
		"capture":    (*script).capture,    // capture: begin one
		"encode":     (*script).encode,     // encode N: go on with it
		"applied":    (*script).applied,    // applied: end it
		"evict":      (*script).evict,
		"crash":      (*script).crash, // crash [lose=N] [ahead]: the history of a checkpoint under way is stored

		"show":    (*script).show,    // show ID...
		"stored":  (*script).stored,  // stored ID: what its rows say
		"memory":  (*script).memory,  // memory: what is in it
		"history": (*script).history, // history ID
		"waits":   (*script).waits,   // waits ID
		"query":   (*script).query,   // query [entities] [names=..] [statuses=..] [tags=k:v] [prefix=P] [from=+1s] [to=+2s] [page=N]
		"rows":    (*script).rows,    // rows: counts of stored rows by table
		"outbox":  (*script).outbox,
		"where":   (*script).where, // where ID...: its partition
	}
}

// client builds the identity of a request; by default the next of session "s".
func (sc *script) client(p *testPart, l *line) (c Client) {
	copy(c.Session[:], "session "+l.opts["session"])
	p.seq++
	c.Seq = uint64(l.num("seq", int(p.seq)))
	c.Floor = uint64(l.num("floor", 1))
	c.Key = l.opts["key"]
	return c
}

func (sc *script) when(at string) model.Time {
	if at == "" {
		return 0
	}
	return sc.h.now.Add(parseDuration(at))
}

func (sc *script) start(l *line) {
	p := sc.h.part(l.arg(0))
	ev := &Start{Client: sc.client(p, l), Retry: l.has("retry"), Request: engine.StartRequest{
		Instance: l.arg(0), Name: l.arg(1), Input: l.payload(2), Version: l.opts["version"], Tags: l.tags(), At: sc.when(l.opts["at"]),
	}}
	switch l.opts["exists"] {
	case "fail":
		ev.Request.IfExists = engine.FailIfExists
	case "attach":
		ev.Request.IfExists = engine.AttachIfExists
	case "any":
		ev.Request.IfExists = engine.ReplaceAny
	}
	for _, name := range l.list("replaceable") {
		ev.Request.Replaceable = append(ev.Request.Replaceable, sc.status(name))
	}
	sc.apply(p, ev)
}

func (sc *script) status(name string) model.Status {
	s, err := model.ParseStatus(name)
	if err != nil {
		sc.t.Fatal(err)
	}
	return s
}

func command(op Op) func(*script, *line) {
	return func(sc *script, l *line) {
		p := sc.h.part(l.arg(0))
		ev := &Command{Client: sc.client(p, l), Op: op, Instance: l.arg(0), Recursive: l.has("recursive"), Retry: l.has("retry"), At: sc.when(l.opts["at"])}
		switch op {
		case OpRaise, OpSignal:
			ev.Name, ev.Payload = l.arg(1), l.payload(2)
		default:
			if l.arg(1) != "recursive" {
				ev.Payload = l.payload(1)
			}
		}
		sc.apply(p, ev)
	}
}

// ord returns the ordinal of an instance, which it loads.
func (sc *script) ord(id string) uint64 {
	p := sc.h.part(id)
	p.load(p.state, p.store, []Key{{ID: id}})
	defer p.state.ForgetAbsent()
	if inst := p.state.byID[id]; inst != nil {
		return inst.ord
	}
	n, err := strconv.ParseUint(id, 10, 64) // of one that is gone
	if err != nil {
		sc.t.Fatalf("%s: no instance %q", sc.pos, id)
	}
	return n
}

func (sc *script) forget(l *line) {
	ev := &Purged{}
	for _, id := range l.words {
		ev.Ords = append(ev.Ords, sc.ord(id))
	}
	sc.apply(sc.h.part(l.arg(0)), ev)
}

func (sc *script) clean(l *line) {
	ev := &Cleaned{}
	p := sc.h.parts[0]
	for _, id := range l.list("empty") {
		p = sc.h.part(id)
		ev.Empty = append(ev.Empty, sc.ord(id))
	}
	for _, o := range l.list("orphans") {
		id, section, _ := cutLast(o, ':')
		p = sc.h.part(id)
		ev.Orphans = append(ev.Orphans, Orphan{Ord: sc.ord(id), Section: section})
	}
	sc.apply(p, ev)
}

var testReason = &model.Failure{Type: model.FailureQuarantined, Message: "test"}

func (sc *script) setAside(l *line) {
	sc.apply(sc.h.part(l.arg(0)), &Quarantined{Instance: Key{ID: l.arg(0)}, Reason: testReason})
}

func (sc *script) setAsideV1(l *line) {
	sc.apply(sc.h.part(l.arg(0)), &QuarantinedV1{
		Instance: Key{ID: l.arg(0)}, Reason: testReason, Origin: l.num("origin", 0), Through: uint64(l.num("through", 0)),
	})
}

func (sc *script) poisonMessage(*line) {
	if len(sc.h.net) == 0 {
		for _, p := range sc.h.parts {
			p.send()
		}
	}
	if len(sc.h.net) == 0 {
		sc.say("nothing is under way")
		return
	}
	sc.say("%s", showMessages(sc.h.net[0].messages[:1]))
	sc.h.poisonFirst()
}

func (sc *script) poisonActivity(l *line) {
	p, ord := sc.h.part(l.arg(0)), sc.ord(l.arg(0))
	sc.apply(p, &Quarantined{Instance: Key{Ord: ord}, Reason: testReason, Input: &TaskDone{Ord: ord, Task: int32(number(l.arg(1))), Result: l.payload(2)}})
}

func (sc *script) poisonTimer(*line) {
	for _, p := range sc.h.parts {
		if p.poisonTimer() {
			return
		}
	}
	sc.say("none is due")
}

func (sc *script) time(l *line) { sc.h.now = sc.h.now.Add(mustDuration(l.arg(0))) }

func mustDuration(s string) time.Duration {
	if len(s) > 0 && s[0] == '-' {
		return -parseDuration(s[1:])
	}
	return parseDuration(s)
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == sep {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}
