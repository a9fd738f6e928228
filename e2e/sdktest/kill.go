package sdktest

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var seed = flag.Uint64("seed", 1, "seed of the kills")

// Killer kills a server at random while a suite is at work, and starts it again. It
// is given the suite's lines, of which it knows four kinds besides cases:
//
//	{"stream":3}             a worker has opened its stream of that number
//	{"begin":"timers: ..."}  a case begins
//	{"given":"key","by":3,"of":"w","since":1,"at":2}
//	                         a worker was given an activity, by its stream of that number
//	{"ended":"id"}           a client has seen the end of an instance
//
// The key is the activity's own: instance, execution and number. A worker with a name
// is there until the suite ends. The times are those of the machine, in milliseconds:
// when the stream was asked for, and when the activity came.
type Killer struct {
	Kills []Kill // so far

	server *Server
	rand   *rand.Rand
	pace   int
	most   int
	wait   int
	idle   bool            // no worker has come back since the last kill, or ever
	open   map[string]bool // cases that have begun
	hit    map[string]bool // cases that had begun and not ended at a kill
	ledger []entry
}

// Kill is from when to when the server was being killed, in milliseconds.
type Kill struct{ Begin, End float64 }

// entry is a line about an activity.
type entry struct {
	Stream int     `json:"stream"`
	Begin  string  `json:"begin"`
	Given  string  `json:"given"`
	By     int     `json:"by"`
	Of     string  `json:"of"`
	Since  float64 `json:"since"`
	At     float64 `json:"at"`
	Ended  string  `json:"ended"`
	Test   string  `json:"test"`
}

// NewKiller returns a killer of a server, who kills it at most so often, each time
// after one to twice pace more beginnings and ends of cases since a worker is there.
// The same -seed kills after the same numbers of them.
func NewKiller(t testing.TB, s *Server, pace, most int) *Killer {
	t.Helper()
	t.Logf("the seed of the kills is %d", *seed)
	k := &Killer{server: s, rand: rand.New(rand.NewPCG(*seed, *seed)), pace: pace, most: most, idle: true, open: map[string]bool{}, hit: map[string]bool{}}
	k.wait = k.pause()
	return k
}

func (k *Killer) pause() int { return 1 + k.rand.IntN(2*k.pace) }

// Watch is given each line of the suite, by Run.
func (k *Killer) Watch(t testing.TB, line string) {
	t.Helper()
	var e entry
	if json.Unmarshal([]byte(line), &e) != nil {
		return // a line for people
	}
	if e.Given != "" || e.Ended != "" {
		k.ledger = append(k.ledger, e)
	}
	if e.Stream > 0 {
		k.idle = false
	}
	if e.Begin == "" && e.Test == "" {
		return
	}
	if k.due() {
		k.kill(t)
	}
	if e.Begin != "" {
		k.open[e.Begin] = true
	}
	delete(k.open, e.Test)
}

// due counts a beginning or an end, and reports whether the server is to be killed.
func (k *Killer) due() bool {
	if k.idle || len(k.Kills) >= k.most {
		return false
	}
	k.wait--
	return k.wait <= 0
}

func (k *Killer) kill(t testing.TB) {
	t.Helper()
	k.wait = k.pause()
	k.idle = true
	for name := range k.open {
		k.hit[name] = true
	}
	begin := now()
	k.server.Kill(t)
	k.Kills = append(k.Kills, Kill{begin, now()})
	k.server.Restart(t)
}

func now() float64 { return float64(time.Now().UnixMicro()) / 1000 }

// Enough holds that there were so many kills, and that so many different cases had
// begun and not ended at one.
func (k *Killer) Enough(t testing.TB, kills, cases int) {
	t.Helper()
	t.Logf("the server was killed %d times, amid %d cases", len(k.Kills), len(k.hit))
	if len(k.Kills) < kills || len(k.hit) < cases {
		t.Errorf("the server was killed %d times, amid %d cases, want at least %d and %d", len(k.Kills), len(k.hit), kills, cases)
	}
}

// between reports whether the server was killed after a time and before another one.
func (k *Killer) between(after, before float64) bool {
	for _, x := range k.Kills {
		if after <= x.End && x.Begin <= before {
			return true
		}
	}
	return false
}

// Activities holds the ledger against the histories that Audit has read. An activity
// is given again only if the server that gave it was killed: between taking a result and
// writing it down it may be, and then the activity runs again, which is promised to be
// possible. Never is one given twice by the same stream, or after a client has seen
// the end of an instance whose history has its result. The streams of workers with
// names end with the server alone. Some SDKs ask for each attempt of a policy under
// the same number: then it is given as often as it was asked for. Rewinding asks for
// it again, too, so that what was rewound is left out.
func (k *Killer) Activities(t testing.TB, found *Histories) {
	t.Helper()
	gifts, ended, streams := map[string][]entry{}, map[string]bool{}, map[string]map[int]bool{}
	all, twice := 0, 0
	for _, e := range k.ledger {
		if e.Ended != "" {
			ended[e.Ended] = true
			continue
		}
		all++
		id, task := split(e.Given)
		if streams[e.Of] == nil {
			streams[e.Of] = map[int]bool{}
		}
		streams[e.Of][e.By] = true
		if before := gifts[e.Given]; len(before) > 0 && !found.rewound[id] {
			twice++
			if ended[id] && found.answered[id+" "+task] {
				t.Errorf("activity %s was given to a worker after a client had seen the end of its instance", e.Given)
			}
			if free := k.unexplained(append(before, e)); free >= max(1, found.asked[id+" "+task]) {
				t.Errorf("activity %s was given %d times more than kills explain, and asked for %d times", e.Given, free, found.asked[id+" "+task])
			}
		}
		gifts[e.Given] = append(gifts[e.Given], e)
	}
	if len(gifts) == 0 || len(ended) == 0 {
		t.Errorf("the suite tells of %d activities that were given, and of %d instances that ended", len(gifts), len(ended))
	}
	for of, by := range streams {
		if most := len(k.Kills) + 1; of != "" && len(by) > most {
			t.Errorf("activities came to worker %q by %d streams, want at most %d: some have ended without a kill", of, len(by), most)
		}
	}
	t.Logf("%d kills; %d activities, given %d times, %d of them again", len(k.Kills), len(gifts), all, twice)
}

// unexplained counts how often an activity was given again by the same stream, or
// by another one without a kill since the former was asked for. When the activity came
// by that counts for nothing: a busy worker may find it after the server has gone.
func (k *Killer) unexplained(gifts []entry) (n int) {
	for i, e := range gifts[1:] {
		if before := gifts[i]; before.By == e.By || !k.between(before.Since, e.At) {
			n++
		}
	}
	return n
}

// split takes the instance and the number from the key of an activity.
func split(key string) (id, task string) {
	parts := strings.Split(key, " ")
	return strings.Join(parts[:max(0, len(parts)-2)], " "), parts[len(parts)-1]
}
