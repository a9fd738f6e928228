package partition

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScripts runs testdata/*.txt: each block is a list of commands, one a line,
// and what came of them. The lines below a command that are indented belong to
// it. Run with -rewrite to accept new results, and review the difference.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			sc := newScript(t, 1)
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				if d.Cmd != "do" {
					t.Fatalf("%s: unknown directive %s", d.Pos, d.Cmd)
				}
				sc.t, sc.pos = t, d.Pos
				return sc.run(d.Input)
			})
		})
	}
}

// script is the state of a running script.
type script struct {
	t   *testing.T
	pos string
	h   *testHub
	out strings.Builder
}

func newScript(t *testing.T, partitions int) *script {
	sc := &script{t: t}
	sc.reset(Config{Partitions: partitions})
	return sc
}

func (sc *script) reset(cfg Config) {
	sc.h = newTestHub(cfg, func(format string, args ...any) {
		sc.t.Helper()
		sc.t.Errorf("%s: "+format, append([]any{sc.pos}, args...)...)
	})
	sc.takeEffects()
}

// line is one command.
type line struct {
	verb  string
	words []string          // without a "="
	opts  map[string]string // key=value
	body  []line
}

func parseLine(text string) line {
	l := line{opts: map[string]string{}}
	for i, w := range strings.Fields(text) {
		if k, v, ok := strings.Cut(w, "="); i == 0 {
			l.verb = w
		} else if ok {
			l.opts[k] = v
		} else {
			l.words = append(l.words, w)
		}
	}
	return l
}

// arg returns the i-th word, or "".
func (l *line) arg(i int) string {
	if i < len(l.words) {
		return l.words[i]
	}
	return ""
}

// payload returns the i-th word as a payload, nil if it is missing.
func (l *line) payload(i int) []byte {
	if i < len(l.words) {
		return []byte(l.words[i])
	}
	return nil
}

// num returns an option as a number.
func (l *line) num(key string, otherwise int) int {
	v, ok := l.opts[key]
	if !ok {
		return otherwise
	}
	return number(v)
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func (l *line) has(word string) bool { return slices.Contains(l.words, word) }

func (l *line) list(key string) []string {
	if l.opts[key] == "" {
		return nil
	}
	return strings.Split(l.opts[key], ",")
}

func (l *line) tags() map[string]string {
	var tags map[string]string
	for _, kv := range l.list("tags") {
		if tags == nil {
			tags = map[string]string{}
		}
		k, v, _ := strings.Cut(kv, ":")
		tags[k] = v
	}
	return tags
}

func (sc *script) run(input string) string {
	sc.out.Reset()
	var lines []line
	var texts []string
	for _, text := range strings.Split(input, "\n") {
		if strings.HasPrefix(text, " ") && len(lines) > 0 {
			last := &lines[len(lines)-1]
			last.body = append(last.body, parseLine(text))
			continue
		}
		if strings.TrimSpace(text) != "" {
			lines, texts = append(lines, parseLine(text)), append(texts, text)
		}
	}
	for i := range lines {
		do, ok := commands[lines[i].verb]
		if !ok {
			sc.t.Fatalf("%s: unknown command %q", sc.pos, lines[i].verb)
		}
		fmt.Fprintf(&sc.out, "%s\n", texts[i])
		do(sc, &lines[i])
		sc.takeEffects()
	}
	return sc.out.String()
}

// say prints one line of a command's outcome.
func (sc *script) say(format string, args ...any) { fmt.Fprintf(&sc.out, "  "+format+"\n", args...) }

func (sc *script) takeEffects() {
	for _, p := range sc.h.parts {
		for _, text := range p.takeEffects() {
			sc.say("%s", text)
		}
	}
}

// apply runs an event and says what became of it unless it was admitted.
func (sc *script) apply(p *testPart, ev Event) Verdict {
	v := p.apply(ev)
	switch v {
	case Refuse:
		sc.say("refused: %s", showAnswer(&p.ans))
	case Drop:
		sc.say("dropped")
	case Gap:
		sc.say("gap")
	}
	return v
}
