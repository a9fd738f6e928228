package linear_test

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// cellInput is an operation of an entity. One that is posted tells nothing but
// that it was accepted; a call answers what was there before.
type cellInput struct {
	Key    string
	Op     string // read, set, add, cas, take
	Posted bool
	A, B   int64
}

// cellOutput is what the client was told; nothing if it got no answer.
type cellOutput struct {
	known bool
	was   int64
}

// cellModel is a number.
var cellModel = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		was, in, out := state.(int64), input.(cellInput), output.(cellOutput)
		return !out.known || in.Posted || out.was == was, in.apply(was)
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
}

func (in *cellInput) apply(was int64) int64 {
	switch {
	case in.Op == "set":
		return in.A
	case in.Op == "add":
		return was + in.A
	case in.Op == "cas" && was == in.A:
		return in.B
	case in.Op == "take" && was >= in.A:
		return was - in.A
	}
	return was
}

// lifeInput is a request about an instance.
type lifeInput string

// The requests.
const (
	lifeStart   lifeInput = "start" // replaces what has ended
	lifeCreate  lifeInput = "create"
	lifeReplace lifeInput = "replace"
	lifeRaise   lifeInput = "raise"
	lifeSuspend lifeInput = "suspend"
	lifeResume  lifeInput = "resume"
	lifeEnd     lifeInput = "terminate"
	lifePurge   lifeInput = "purge"
	lifeGet     lifeInput = "get"
)

// lifeOutput is the answer: ok, a status, or the name of an error; empty if there
// was none.
type lifeOutput string

// The answers.
const (
	unknown    lifeOutput = ""
	ok         lifeOutput = "ok"
	exists     lifeOutput = "exists"
	notFound   lifeOutput = "not found"
	hasEnded   lifeOutput = "has ended"
	nothing    lifeOutput = "nothing was purged"
	running    lifeOutput = "running"
	suspended  lifeOutput = "suspended"
	completed  lifeOutput = "completed"
	terminated lifeOutput = "terminated"
)

// life is the state of an instance. One that was told to proceed completes at
// some moment of its own, unless it was told when it was suspended.
type life struct {
	status lifeOutput // notFound, running, suspended, completed or terminated
	told   bool       // before it was suspended, or it has been resumed since
	held   bool       // told, and suspended
}

func (l life) ended() bool { return l.status == completed || l.status == terminated }

// lifeModel is the life of an instance.
var lifeModel = porcupine.NondeterministicModel{
	Init: func() []any { return []any{life{status: notFound}} },
	Step: func(state, input, output any) (next []any) {
		l := state.(life)
		may := []life{l}
		if l.told {
			may = append(may, life{status: completed})
		}
		for _, l := range may {
			after, answer := l.apply(input.(lifeInput))
			if out := output.(lifeOutput); out == unknown || out == answer {
				next = append(next, after)
			}
		}
		return next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%v: %v", input, output) },
}

// apply returns the state after a request, and its answer.
func (l life) apply(in lifeInput) (after life, answer lifeOutput) {
	alive := l.status == running || l.status == suspended
	switch {
	case in == lifeGet:
		return l, l.status
	case in == lifeReplace, in == lifeStart && !alive, in == lifeCreate && l.status == notFound:
		return life{status: running}, ok
	case in == lifeStart, in == lifeCreate:
		return l, exists
	case l.status == notFound:
		return l, notFound
	case in == lifePurge && l.ended():
		return life{status: notFound}, ok
	case in == lifePurge:
		return l, nothing
	case in == lifeRaise && l.status == running:
		return life{status: running, told: true}, ok
	case in == lifeRaise && alive:
		return life{status: suspended, told: l.told, held: true}, ok
	case in == lifeRaise, in == lifeEnd && l.ended():
		return l, ok
	case in == lifeEnd:
		return life{status: terminated}, ok
	case l.ended(): // suspend, resume
		return l, hasEnded
	case in == lifeSuspend:
		return life{status: suspended, told: l.told, held: l.held}, ok
	}
	return life{status: running, told: l.told || l.held}, ok // resume
}
