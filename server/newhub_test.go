package server

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
)

func TestANewHubsNameIsAFolderOfItsOwnEverywhere(t *testing.T) {
	others := []string{"orders", "Billing"}
	for name, ok := range map[string]bool{
		"orders": true, "Billing": true, "orders2": true, "a.b": true, "com": true, "com10": true, "console": true, "nul-1": true, "a": true, "x.con": true,
		"Orders": false, "ORDERS": false, "billing": false, "CON": false, "con": false, "nul.data": false, "COM1": false, "com0": false, "lpt9.x.y": false, "Aux": false,
		"prn": false, "a.": false, "a..": false, "": false, ".a": false, "a/b": false,
	} {
		if err := CheckNewHub(name, others); (err == nil) != ok || err != nil && !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestHubsThatHaveOddNamesAlreadyAreServed(t *testing.T) {
	data := t.TempDir()
	make := func(name string) {
		t.Helper()
		hub, err := netherite.Open(filepath.Join(data, "hubs", name), netherite.Partitions(1), netherite.Logger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		if err := hub.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	make("COM1")
	make("orders")
	s := start(t, func(c *Config) { c.Data, c.OnDemand = data, false })
	make("a.") // put there while it runs
	if err := s.Create(t.Context(), "a."); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"COM2", "Orders", "b."} {
		if err := s.Create(t.Context(), name); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%q is made: %v", name, err)
		}
	}
	if got := s.hubs.Names(); !slices.Equal(got, []string{"COM1", "a.", "orders"}) {
		t.Errorf("it serves %q", got)
	}
	if left, err := os.ReadDir(filepath.Join(data, "hubs")); err != nil || len(left) != 3 {
		t.Errorf("the directory has %v, %v", left, err)
	}
}

func TestOfNamesThatDifferInCaseOneIsMade(t *testing.T) {
	for _, data := range []string{"", t.TempDir()} {
		s := start(t, func(c *Config) { c.Data = data })
		names := []string{"shop", "Shop", "SHOP", "shoP"}
		errs := [4]error{}
		var wg sync.WaitGroup
		for i, name := range names {
			wg.Go(func() {
				if i%2 == 0 {
					_, errs[i] = s.hubs.Demand(context.Background(), name) // on demand
				} else {
					errs[i] = s.Create(context.Background(), name)
				}
			})
		}
		wg.Wait()
		made := 0
		for i, err := range errs {
			switch {
			case err == nil:
				made++
			case !errors.Is(err, engine.ErrInvalid):
				t.Errorf("%s: %v", names[i], err)
			}
		}
		if made != 1 || s.hubs.count() != 2 { // and the default one
			t.Errorf("%d were made, there are %q", made, s.hubs.Names())
		}
	}
}
