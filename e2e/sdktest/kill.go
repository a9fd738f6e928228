package sdktest

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
)

// Killer kills a server at random while a suite is at work, and starts it again. It
// is given the suite's lines, of which it knows four kinds besides cases:
//
//	{"stream":3}              a worker has opened its stream of that number
//	{"begin":"timers: ..."}   a case begins
//	{"given":"key","by":3}    a worker was given an activity, by its stream of that number
//	{"ended":"id"}            a client has seen the end of an instance
//
// The key is the activity's own: instance, execution and number.
type Killer struct {
	Kills int // so far

	server *Server
	rand   *rand.Rand
	pace   int
	most   int
	wait   int
	idle   bool // no worker has come back since the last kill, or ever
	ledger []entry
}

// entry is a line about an activity.
type entry struct {
	Stream int    `json:"stream"`
	Begin  string `json:"begin"`
	Given  string `json:"given"`
	By     int    `json:"by"`
	Ended  string `json:"ended"`
	Test   string `json:"test"`
}

// NewKiller returns a killer of a server, who kills it at most so often, each time
// after one to twice pace more beginnings and ends of cases since a worker is there. The same seed kills after
// the same numbers of them.
func NewKiller(t testing.TB, s *Server, seed uint64, pace, most int) *Killer {
	t.Helper()
	t.Logf("the seed of the kills is %d", seed)
	k := &Killer{server: s, rand: rand.New(rand.NewPCG(seed, seed)), pace: pace, most: most, idle: true}
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
	if e.Begin == "" && e.Test == "" || k.idle || k.Kills >= k.most {
		return
	}
	if k.wait--; k.wait > 0 {
		return
	}
	k.wait = k.pause()
	k.Kills++
	k.idle = true
	k.server.Kill(t)
	k.server.Restart(t)
}

// Activities holds the ledger against the histories that Audit has read: an activity
// whose result is in the history of an instance that a client has seen ended is not
// given to a worker again. None is given twice by the same stream, and the streams of
// so many workers end with the server alone. Between taking a result and writing it
// down the server may be killed: then the activity runs again, which is promised to
// be possible. Rewinding asks for it again, so that what was rewound is left out.
func (k *Killer) Activities(t testing.TB, workers int, found *Histories) {
	t.Helper()
	given, ended, streams, twice := map[string]map[int]bool{}, map[string]bool{}, map[int]bool{}, 0
	for _, e := range k.ledger {
		if e.Ended != "" {
			ended[e.Ended] = true
			continue
		}
		id, task := split(e.Given)
		streams[e.By] = true
		switch {
		case found.rewound[id]:
			continue
		case given[e.Given] == nil:
			given[e.Given] = map[int]bool{}
		case given[e.Given][e.By]:
			t.Errorf("activity %s was given twice by the same stream", e.Given)
		case ended[id] && found.answered[id+" "+task]:
			t.Errorf("activity %s was given to a worker after a client had seen the end of its instance", e.Given)
		default:
			twice++
		}
		given[e.Given][e.By] = true
	}
	if len(given) == 0 || len(ended) == 0 {
		t.Errorf("the suite tells of %d activities that were given, and of %d instances that ended", len(given), len(ended))
	}
	if most := workers * (k.Kills + 1); len(streams) > most {
		t.Errorf("activities came by %d streams, want at most %d: some have ended without a kill", len(streams), most)
	}
	t.Logf("%d kills; %d activities, %d of them given again", k.Kills, len(given), twice)
}

// split takes the instance and the number from the key of an activity.
func split(key string) (id, task string) {
	parts := strings.Split(key, " ")
	return strings.Join(parts[:max(0, len(parts)-2)], " "), parts[len(parts)-1]
}
