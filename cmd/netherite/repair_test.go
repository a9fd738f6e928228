package main

import (
	"os"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
)

// TestASalvagedPartitionSaysHowManyInstancesAreNotWhole: they are the ones that are
// named below, and none is not taken for none that was saved.
func TestASalvagedPartitionSaysHowManyInstancesAreNotWhole(t *testing.T) {
	docs, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for want, list := range map[string][]partition.SiftedInstance{
		"not_whole=0": nil, "not_whole=2": {{Ord: 41, ID: "order-7", Kept: true}, {Ord: 44}},
	} {
		var out strings.Builder
		printSifted(&out, netherite.SiftedPartition{Partition: 2, Sifted: &partition.Sifted{Instances: list}})
		first, rest, _ := strings.Cut(out.String(), "\n")
		if !strings.Contains(first, "salvaged: partition=2 "+want+" ") || strings.Count(rest, "instance: ") != len(list) {
			t.Errorf("%s\nwant %s", out.String(), want)
		}
		if len(list) > 0 && !strings.Contains(string(docs), first) {
			t.Errorf("docs/cli.md has not %s", first)
		}
	}
}
