package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// queryFlags are the flags that select instances. Nothing that was said is dropped,
// and nothing widens what else was said: what cannot be meant is refused.
type queryFlags struct {
	names, statuses, tags   []string
	prefix, from, to, token string
	limit                   int
	expr                    string
	flags                   *pflag.FlagSet
}

// filters are the flags that a selection is made of.
var filters = []string{"query", "name", "status", "tag", "prefix", "created-from", "created-to"}

func (q *queryFlags) add(cmd *cobra.Command) {
	q.flags = cmd.Flags()
	q.once(&q.expr, "query", "all that match, as words such as 'status=Running name=Order tag.region=eu prefix=a- created-from=T created-to=T'")
	q.flags.StringSliceVar(&q.names, "name", nil, "only of these names, as they are: there are no wildcards")
	q.flags.StringSliceVar(&q.statuses, "status", nil, "only with one of these statuses")
	q.flags.StringArrayVar(&q.tags, "tag", nil, "only with this tag, key=value; may be repeated: all must hold")
	q.once(&q.prefix, "prefix", "only IDs that begin so")
	q.once(&q.from, "created-from", "only created at this time (RFC 3339) or later")
	q.once(&q.to, "created-to", "only created before this time (RFC 3339)")
}

// once adds a flag whose second value would silently take the place of the first.
func (q *queryFlags) once(value *string, name, usage string) {
	q.flags.Var(&onceValue{value: value}, name, usage)
}

// onceValue is a text that is given once.
type onceValue struct {
	value *string
	given bool
}

// Set implements pflag.Value.
func (o *onceValue) Set(text string) error {
	if o.given {
		return errors.New("it is given twice")
	}
	*o.value, o.given = text, true
	return nil
}

// String implements pflag.Value.
func (o *onceValue) String() string {
	if o.value == nil {
		return ""
	}
	return *o.value
}

// Type implements pflag.Value.
func (o *onceValue) Type() string { return "string" }

// query checks the flags and makes the query.
func (q *queryFlags) query() (eq engine.Query, err error) {
	if err := q.parse(q.expr); err != nil {
		return eq, err
	}
	if slices.Contains(q.names, "") {
		return eq, usagef("--name: a name is empty")
	}
	eq = engine.Query{Names: q.names, IDPrefix: q.prefix, Token: q.token, PageSize: q.limit}
	for _, name := range q.statuses {
		if strings.EqualFold(name, model.FailureQuarantined) {
			return eq, usagef("--status: an instance that is quarantined keeps the status that it had: list --quarantined finds them")
		}
		s, err := model.ParseStatus(name)
		if err != nil {
			return eq, usagef("--status: %w", err)
		}
		eq.Statuses = append(eq.Statuses, s)
	}
	if eq.Tags, err = tagFlags(q.tags); err != nil {
		return eq, err
	}
	if eq.CreatedFrom, err = timeFlag("created-from", q.from); err != nil {
		return eq, err
	}
	eq.CreatedTo, err = timeFlag("created-to", q.to)
	return eq, err
}

// parse reads the words of --query into the flags that they are short for.
func (q *queryFlags) parse(expr string) error {
	seen := map[string]bool{}
	for word := range strings.FieldsSeq(expr) {
		key, value, ok := strings.Cut(word, "=")
		if !ok || value == "" {
			return usagef("--query: %q is not KEY=VALUE", word)
		}
		switch {
		case seen[key] && (key == "name" || key == "status"):
			return usagef("--query: %s is there twice: write %s=A,B for instances with either", key, key)
		case seen[key]:
			return usagef("--query: %s is there twice", key)
		case slices.Contains(filters, key) && q.flags.Changed(key):
			return usagef("--query has %s, and --%s is given as well: leave one of them out", word, key)
		}
		seen[key] = true
		if err := q.word(key, value); err != nil {
			return err
		}
	}
	return nil
}

// word takes one word of --query.
func (q *queryFlags) word(key, value string) error {
	switch key {
	case "name":
		q.names = strings.Split(value, ",")
	case "status":
		q.statuses = strings.Split(value, ",")
	case "prefix":
		q.prefix = value
	case "created-from":
		q.from = value
	case "created-to":
		q.to = value
	default:
		tag, ok := strings.CutPrefix(key, "tag.")
		if !ok || tag == "" {
			return usagef("--query: there is no %q, there are name, status, prefix, created-from, created-to and tag.NAME", key)
		}
		q.tags = append(q.tags, tag+"="+value)
	}
	return nil
}

// given are the filters that were given, as flags; empty is one of them that says
// nothing, as an unset variable of a shell makes it.
func (q *queryFlags) given() (names []string, empty string) {
	for _, name := range filters {
		if !q.flags.Changed(name) {
			continue
		}
		names = append(names, "--"+name)
		f := q.flags.Lookup(name)
		text := strings.TrimSpace(f.Value.String())
		if s, ok := f.Value.(pflag.SliceValue); ok {
			text = strings.Join(s.GetSlice(), "")
		}
		if text == "" && empty == "" {
			empty = "--" + name
		}
	}
	return names, empty
}
