package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/internal/nearest"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/server"
)

// Certificate is a client certificate, by the name in it, and its roles by hub.
type Certificate struct {
	Name  string
	Roles map[string]gate.Role
}

// fields reads the items of a list, each a mapping with some of the keys.
func fields(n *yaml.Node, known map[string]bool, each func(fields map[string]*yaml.Node) error) error {
	if n.Kind != yaml.SequenceNode {
		return errors.New("a list is wanted")
	}
	for _, item := range n.Content {
		if item.Kind != yaml.MappingNode {
			return fmt.Errorf("line %d: an item has keys and values", item.Line)
		}
		fields := map[string]*yaml.Node{}
		for i := 0; i+1 < len(item.Content); i += 2 {
			k := item.Content[i]
			switch {
			case !known[k.Value]:
				return fmt.Errorf("line %d: there is no key %q here%s", k.Line, k.Value, instead(k.Value, known))
			case fields[k.Value] != nil:
				return fmt.Errorf("line %d: the key %q is there twice", k.Line, k.Value)
			}
			fields[k.Value] = item.Content[i+1]
		}
		if err := each(fields); err != nil {
			return fmt.Errorf("line %d: %w", item.Line, err)
		}
	}
	return nil
}

// instead is the key that is meant instead of one that there is not, or all that there
// are.
func instead(key string, known map[string]bool) string {
	list := slices.Sorted(maps.Keys(known))
	if best := nearest.Of(key, list); best != "" {
		return fmt.Sprintf("; there is %q", best)
	}
	return ": there are " + strings.Join(list, ", ")
}

func readCertificates(n *yaml.Node) (list []Certificate, err error) {
	seen := map[string]bool{}
	err = fields(n, map[string]bool{"name": true, "roles": true}, func(f map[string]*yaml.Node) error {
		c := Certificate{Roles: map[string]gate.Role{}}
		if f["name"] == nil || f["name"].Decode(&c.Name) != nil || c.Name == "" || seen[c.Name] {
			return errors.New("a certificate needs a name of its own (its common name, or a DNS name or URI in it)")
		}
		seen[c.Name] = true
		var roles map[string]string
		if f["roles"] == nil || f["roles"].Decode(&roles) != nil || len(roles) == 0 {
			return fmt.Errorf("certificate %q: it needs roles by task hub, such as {\"*\": reader}", c.Name)
		}
		for hub, name := range roles { // order-free: fills a map; any error will do
			role, err := gate.ParseRole(name)
			if err != nil {
				return fmt.Errorf("certificate %q, task hub %q: %w", c.Name, hub, err)
			}
			c.Roles[hub] = role
		}
		list = append(list, c)
		return nil
	})
	return list, err
}

func readRules(n *yaml.Node) (list []server.RetentionRule, err error) {
	known := map[string]bool{"hub": true, "status": true, "name": true, "keep": true}
	err = fields(n, known, func(f map[string]*yaml.Node) error {
		rule := server.RetentionRule{}
		if f["keep"] == nil {
			return errors.New("a rule needs keep: a duration, or forever")
		}
		keep, err := scalar(keepSpan, f["keep"])
		if err != nil {
			return fmt.Errorf("keep: %w", err)
		}
		rule.Keep = keep.(time.Duration)
		if f["hub"] != nil && (f["hub"].Decode(&rule.Hub) != nil || rule.Hub == "") {
			return errors.New("hub: the name of a task hub is wanted")
		}
		if rule.Names, err = oneOrMore(f["name"]); err != nil {
			return fmt.Errorf("name: %w", err)
		}
		for _, name := range rule.Names {
			if strings.Contains(strings.TrimSuffix(name, "*"), "*") {
				return fmt.Errorf("name: %q: * stands for the rest of a name, at the end only", name)
			}
		}
		statuses, err := oneOrMore(f["status"])
		if err != nil {
			return fmt.Errorf("status: %w", err)
		}
		for _, name := range statuses {
			s, err := model.ParseStatus(name)
			if err != nil || !s.Ended() {
				return fmt.Errorf("status: %q is none with which an orchestration ends: Completed, Failed, Canceled, Terminated", name)
			}
			rule.Statuses = append(rule.Statuses, s)
		}
		list = append(list, rule)
		return nil
	})
	return list, err
}

// oneOrMore reads a text or a list of them.
func oneOrMore(n *yaml.Node) (list []string, err error) {
	if n == nil {
		return nil, nil
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && n.Value != "" {
		return []string{n.Value}, nil
	}
	if n.Kind != yaml.SequenceNode || n.Decode(&list) != nil || len(list) == 0 {
		return nil, errors.New("a text is wanted, or a list of them")
	}
	return list, nil
}
