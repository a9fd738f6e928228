package rows

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/netherite-go/netherite/bench"
)

// Settings are what a run was asked for: runs with the same settings differ by
// the program and the machine only.
type Settings struct {
	Workload   string  `json:"workload"`
	Clients    int     `json:"clients"`
	Partitions int     `json:"partitions"`
	Release    string  `json:"release"`
	Rate       float64 `json:"rate"`
	Count      int     `json:"count"`
	Preload    int     `json:"preload"`
	Memory     int     `json:"memory_mib"`
}

// SettingsOf reads them off a result. Those of versions that could not set the
// memory limit had its default.
func SettingsOf(r *bench.Result) Settings {
	return Settings{r.Workload, r.Clients, r.Partitions, r.Release, r.Rate, r.Count, r.Preload, cmp.Or(r.Memory, bench.DefaultMemory)}
}

// String is for people: "hello5, 128 clients, 8 partitions, release node".
func (s Settings) String() string {
	parts := []string{s.Workload}
	if s.Rate > 0 {
		parts = append(parts, fmt.Sprintf("%s a second", trim(s.Rate)))
	} else {
		parts = append(parts, plural(s.Clients, "client"))
	}
	parts = append(parts, plural(s.Partitions, "partition"), "release "+s.Release)
	if s.Count > 0 {
		parts = append(parts, fmt.Sprintf("count %d", s.Count))
	}
	if s.Preload > 0 {
		parts = append(parts, fmt.Sprintf("%d preloaded", s.Preload))
	}
	if s.Memory != bench.DefaultMemory {
		parts = append(parts, fmt.Sprintf("memory %d MiB", s.Memory))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func trim(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// differences lists the settings that differ, with both values.
func (s Settings) differences(o Settings) (list []string) {
	for _, d := range []struct{ name, a, b string }{
		{"clients", strconv.Itoa(s.Clients), strconv.Itoa(o.Clients)},
		{"partitions", strconv.Itoa(s.Partitions), strconv.Itoa(o.Partitions)},
		{"release", s.Release, o.Release},
		{"rate", trim(s.Rate), trim(o.Rate)},
		{"count", strconv.Itoa(s.Count), strconv.Itoa(o.Count)},
		{"preload", strconv.Itoa(s.Preload), strconv.Itoa(o.Preload)},
		{"memory_mib", strconv.Itoa(s.Memory), strconv.Itoa(o.Memory)},
	} {
		if d.a != d.b {
			list = append(list, fmt.Sprintf("%s differs: %s and %s", d.name, d.a, d.b))
		}
	}
	return list
}
