package metamorphic_test

import (
	"fmt"
	"math/rand/v2"
)

// operation is one line of a script.
type operation struct {
	do       string // see player.operation
	id       string // of an instance, or the key of an account
	kind     string // of orchestration
	number   int    // its input, or an amount
	to       string // the other account of a transfer
	together []operation
}

// String says the operation in a line.
func (o operation) String() string {
	if o.do == "together" {
		return fmt.Sprint("together ", o.together)
	}
	return fmt.Sprintf("%s %s %s %d %s", o.do, o.id, o.kind, o.number, o.to)
}

// newScript makes up a script. Between any two of its lines the hub comes to
// rest. What a line does together is independent of each other, except that sums
// are formed of it.
func newScript(seed uint64, lines int) (script []operation) {
	rng := rand.New(rand.NewPCG(seed, 17))
	for i := range 4 {
		script = append(script, operation{do: "signal", id: account(i), number: 100})
	}
	for range lines {
		script = append(script, newOperation(rng))
	}
	return append(script, operation{do: "advance", number: 12}, operation{do: "query"})
}

func account(i int) string { return fmt.Sprint("a", i) }

// kinds are the orchestrations that take a number.
var kinds = []string{"fan", "parent", "sleeper", "retrying", "failing", "listener", "circling"}

func newOperation(rng *rand.Rand) operation {
	id := fmt.Sprint("o", rng.IntN(10))
	o := operation{id: id, number: rng.IntN(5)}
	switch n := rng.IntN(100); {
	case n < 22:
		o.do, o.kind = "start", kinds[rng.IntN(len(kinds))]
	case n < 28:
		o.do, o.kind = "attach", kinds[rng.IntN(len(kinds))]
	case n < 32:
		o.do, o.kind = "replace", kinds[rng.IntN(len(kinds))]
	case n < 42:
		o.do, o.kind, o.number = "transfer", account(rng.IntN(4)), 1+rng.IntN(60)
		o.to = account(rng.IntN(4))
	case n < 54:
		o.do = "raise"
	case n < 60:
		o.do, o.id = "signal", account(rng.IntN(4))
	case n < 65:
		o.do = "suspend"
	case n < 71:
		o.do = "resume"
	case n < 76:
		o.do = "terminate"
	case n < 81:
		o.do = "purge"
	case n < 84:
		o.do = "rewind"
	case n < 87:
		o.do = "query"
	case n < 90:
		o.do = "read"
	case n < 95:
		o.do = "advance"
	default:
		return burst(rng)
	}
	return o
}

// burst does several things at the same time: none of them sees another.
func burst(rng *rand.Rand) operation {
	o := operation{do: "together"}
	for i := range 3 + rng.IntN(5) {
		part := operation{do: "start", id: fmt.Sprint("b", i), kind: []string{"fan", "parent", "circling"}[rng.IntN(3)], number: rng.IntN(9)}
		if rng.IntN(2) == 0 {
			part = operation{do: "signal", id: account(rng.IntN(4)), number: rng.IntN(9)}
		}
		o.together = append(o.together, part)
	}
	return o
}
