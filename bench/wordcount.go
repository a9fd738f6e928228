package bench

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	_ "embed" // for the text
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/netherite-go/netherite/durable"
)

// WordCount: 15 mapper entities split a book and signal each single word to one
// of 40 reducer entities, a summary entity collects the most frequent words.
const (
	mappers  = 15
	reducers = 40
	topWords = 20
	// portion is how much text one signal to a mapper carries, in bytes.
	portion = 4096
)

//go:embed testdata/opticks.txt.gz
var opticksGzip []byte

// opticks is Newton's Opticks.
var opticks = sync.OnceValue(func() string {
	r, err := gzip.NewReader(bytes.NewReader(opticksGzip))
	if err != nil {
		panic(err) // the embedded file is part of this program
	}
	text, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return string(text)
})

// words splits text into lower-case words.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
}

// cut splits text after about so many bytes, between two words.
func cut(text string, size int) (head, tail string) {
	if size >= len(text) {
		return text, ""
	}
	end := strings.IndexAny(text[size:], " \n")
	if end < 0 {
		return text, ""
	}
	return text[:size+end], text[size+end:]
}

// Portion is a piece of text for a mapper.
type Portion struct {
	Pass string `json:"pass"`
	Text string `json:"text"`
	Last bool   `json:"last,omitempty"`
}

// Mapper splits text. It has nothing to remember.
type Mapper struct {
	Words int `json:"words"`
}

// Split signals each word to its reducer.
func (m *Mapper) Split(ctx *durable.EntityContext, p Portion) (int, error) {
	for _, w := range words(p.Text) {
		if err := reducerCount.Signal(ctx, reducerEntity.Key(reducerOf(p.Pass, w)), w); err != nil {
			return 0, err
		}
		m.Words++
	}
	if p.Last {
		for r := range reducers {
			if err := reducerEnd.Signal(ctx, reducerEntity.Key(fmt.Sprintf("%s-%02d", p.Pass, r)), p.Pass); err != nil {
				return 0, err
			}
		}
	}
	return m.Words, nil
}

func reducerOf(pass, word string) string {
	h := fnv.New32a()
	h.Write([]byte(word))
	return fmt.Sprintf("%s-%02d", pass, h.Sum32()%reducers)
}

// Reducer counts words.
type Reducer struct {
	Counts map[string]int `json:"counts"`
	Ended  int            `json:"ended"`
}

// Count counts one occurrence of a word.
func (r *Reducer) Count(_ *durable.EntityContext, word string) (int, error) {
	if r.Counts == nil {
		r.Counts = map[string]int{}
	}
	r.Counts[word]++
	return r.Counts[word], nil
}

// End notes that one mapper has sent all; after the last one it reports.
func (r *Reducer) End(ctx *durable.EntityContext, pass string) (int, error) {
	if r.Ended++; r.Ended == mappers {
		total := 0
		for _, n := range r.Counts {
			total += n
		}
		return r.Ended, summaryAdd.Signal(ctx, summaryEntity.Key(pass), Report{Total: total, Top: top(r.Counts)})
	}
	return r.Ended, nil
}

// WordFrequency is a word and how often it occurs.
type WordFrequency struct {
	Word string `json:"word"`
	N    int    `json:"n"`
}

// Report is what one reducer found.
type Report struct {
	Total int             `json:"total"`
	Top   []WordFrequency `json:"top"`
}

// Summary collects the reports.
type Summary struct {
	Reports int             `json:"reports"`
	Total   int             `json:"total"`
	Top     []WordFrequency `json:"top"`
}

// Add takes one reducer's report.
func (s *Summary) Add(_ *durable.EntityContext, r Report) (int, error) {
	s.Reports++
	s.Total += r.Total
	s.Top = mostFrequent(append(s.Top, r.Top...))
	return s.Reports, nil
}

var (
	mapperEntity  = durable.Entity[Mapper]("Mapper", durable.ValidatesFirst)
	mapperSplit   = durable.Operation(mapperEntity, "Split", (*Mapper).Split)
	reducerEntity = durable.Entity[Reducer]("Reducer", durable.ValidatesFirst)
	reducerCount  = durable.Operation(reducerEntity, "Count", (*Reducer).Count)
	reducerEnd    = durable.Operation(reducerEntity, "End", (*Reducer).End)
	summaryEntity = durable.Entity[Summary]("Summary", durable.ValidatesFirst)
	summaryAdd    = durable.Operation(summaryEntity, "Add", (*Summary).Add)
)

// top lists the most frequent words of a count.
func top(counts map[string]int) []WordFrequency {
	list := make([]WordFrequency, 0, len(counts))
	for w, n := range counts {
		list = append(list, WordFrequency{w, n})
	}
	return mostFrequent(list)
}

// mostFrequent sorts by frequency, then alphabet, and keeps the first 20.
func mostFrequent(list []WordFrequency) []WordFrequency {
	slices.SortFunc(list, func(a, b WordFrequency) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Word, b.Word))
	})
	return list[:min(len(list), topWords)]
}

// wordCount is the WordCount workload: an operation is a pass over the book.
type wordCount struct {
	none
	text string
	want Summary
}

func (*wordCount) handlers() []durable.Handler {
	return []durable.Handler{mapperEntity, reducerEntity, summaryEntity}
}

// setup counts the words plainly.
func (w *wordCount) setup(context.Context, *env) error {
	counts := map[string]int{}
	all := words(w.text)
	for _, word := range all {
		counts[word]++
	}
	w.want = Summary{Reports: reducers, Total: len(all), Top: top(counts)}
	return nil
}

func (w *wordCount) op(ctx context.Context, e *env, _, n int) (int64, error) {
	pass := fmt.Sprintf("%s-%d", e.runID, n)
	if err := w.feed(ctx, e, pass); err != nil {
		return 0, err
	}
	got, err := awaitSummary(ctx, e, pass)
	if err != nil {
		return 0, err
	}
	if got.Total != w.want.Total || !slices.Equal(got.Top, w.want.Top) {
		return 0, fmt.Errorf("wordcount: %d words with top %v, expected %d with %v", got.Total, got.Top, w.want.Total, w.want.Top)
	}
	return int64(got.Total), nil
}

// feed gives each mapper its share of the book, all mappers at once.
func (w *wordCount) feed(ctx context.Context, e *env, pass string) error {
	errs, rest := make([]error, mappers), w.text
	var wg sync.WaitGroup
	for m := range mappers {
		share, tail := cut(rest, len(rest)/(mappers-m))
		rest = tail
		wg.Go(func() { errs[m] = feedMapper(ctx, e, pass, m, share) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func feedMapper(ctx context.Context, e *env, pass string, m int, share string) error {
	key := mapperEntity.Key(fmt.Sprintf("%s-%02d", pass, m))
	for more := true; more; more = share != "" {
		p := Portion{Pass: pass}
		p.Text, share = cut(share, portion)
		p.Last = share == ""
		if err := e.admitted(ctx, func() error { return mapperSplit.Post(ctx, e.hub, key, p) }); err != nil {
			return err
		}
	}
	return nil
}

// awaitSummary waits until all reducers have reported.
func awaitSummary(ctx context.Context, e *env, pass string) (Summary, error) {
	for {
		s, _, err := summaryEntity.Read(ctx, e.hub, summaryEntity.Key(pass))
		if err != nil || s.Reports == reducers {
			return s, err
		}
		if ctx.Err() != nil {
			return s, ctx.Err()
		}
		pause(ctx, pollInterval)
	}
}
