package linear_test

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
)

// lifeInput is a request about an instance.
type lifeInput string

// The requests.
const (
	lifeStart       lifeInput = "start" // replaces what has ended
	lifeCreate      lifeInput = "create"
	lifeReplace     lifeInput = "replace"
	lifeEndYourself lifeInput = "tell to end"
	lifeFail        lifeInput = "tell to fail"
	lifeAgain       lifeInput = "tell to continue as new"
	lifeRewind      lifeInput = "rewind"
	lifeSuspend     lifeInput = "suspend"
	lifeResume      lifeInput = "resume"
	lifeEnd         lifeInput = "terminate"
	lifePurge       lifeInput = "purge"
	lifeGet         lifeInput = "get"
	lifeRest        lifeInput = "get at rest" // when nothing goes on any more
)

// What an instance can be told.
const (
	wordEnd   = "end"
	wordFail  = "fail"
	wordAgain = "again"
)

// word is what a request tells the instance; empty for others.
func (in lifeInput) word() string {
	return map[lifeInput]string{lifeEndYourself: wordEnd, lifeFail: wordFail, lifeAgain: wordAgain}[in]
}

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
	notFailed  lifeOutput = "has not failed"
	nothing    lifeOutput = "nothing was purged"
	running    lifeOutput = "running"
	suspended  lifeOutput = "suspended"
	completed  lifeOutput = "completed"
	terminated lifeOutput = "terminated"
	failed     lifeOutput = "failed"
	restless   lifeOutput = "has something to do" // which nobody is ever told
)

// life is the state of an instance. It takes what it was told at some moment of its own,
// but not what it was told while it was suspended before it is resumed. The first word to
// end or to fail is all that matters: to continue as new changes nothing that can be seen.
type life struct {
	status lifeOutput // notFound, or one of the last five answers
	word   string     // that it has not taken
	free   bool       // it may take it
}

func (l life) ended() bool {
	return slices.Contains([]lifeOutput{completed, terminated, failed}, l.status)
}

// later lists what may have become of a life by itself, itself first.
func (l life) later() []life {
	if !l.free {
		return []life{l}
	}
	return []life{l, {status: map[string]lifeOutput{wordEnd: completed, wordFail: failed}[l.word]}}
}

// lifeModel is the life of an instance.
var lifeModel = porcupine.NondeterministicModel{
	Init: func() []any { return []any{life{status: notFound}} },
	Step: func(state, input, output any) (next []any) {
		for _, l := range state.(life).later() {
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
	case in == lifeRest && l.free && l.status == running:
		return l, restless
	case in == lifeGet, in == lifeRest:
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
	case in.word() != "" && alive:
		if l.word == "" && in != lifeAgain {
			l.word, l.free = in.word(), l.status == running
		}
		return l, ok
	case in.word() != "", in == lifeEnd && l.ended():
		return l, ok
	case in == lifeEnd:
		return life{status: terminated}, ok
	case in == lifeRewind && l.status == failed: // what failed is done again, and fails again
		return life{status: running, word: wordFail, free: true}, ok
	case in == lifeRewind:
		return l, notFailed
	case l.ended(): // suspend, resume
		return l, hasEnded
	case in == lifeSuspend:
		l.status = suspended
		return l, ok
	}
	return life{status: running, word: l.word, free: l.word != ""}, ok // resume
}
