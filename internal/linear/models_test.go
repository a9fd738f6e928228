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
