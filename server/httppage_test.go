package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/remote"
)

// The worker that the page of the HTTP API speaks of.
type account struct{ Balance int }

func (a *account) Add(_ *durable.EntityContext, n int) (int, error) {
	a.Balance += n
	return a.Balance, nil
}

var (
	accounts = durable.Entity[account]("Account")
	_        = durable.Operation(accounts, "add", (*account).Add)
	approved = durable.Event[bool]("Approved")
	approval = durable.Orchestration("Approval", func(ctx *durable.Context, _ map[string]int) (bool, error) {
		return approved.Wait(ctx, durable.Forever)
	})
	bankIsBack atomic.Bool
	withdraw   = durable.Activity("Withdraw", func(_ context.Context, amount float64) (float64, error) {
		if !bankIsBack.Swap(true) {
			return 0, errors.New("the bank does not answer")
		}
		return amount, nil
	})
	charge = durable.Orchestration("Charge", func(ctx *durable.Context, amount float64) (float64, error) {
		return withdraw.Call(ctx, amount).Await()
	})
)

// TestTheExamplesOfTheHTTPPageGetTheAnswersThatItSays: each line has the status code
// that stands behind it, in the end at least, as what it is about takes its time.
func TestTheExamplesOfTheHTTPPageGetTheAnswersThatItSays(t *testing.T) {
	s := start(t, nil)
	bankIsBack.Store(false)
	hub, err := remote.Dial(s.Place().GRPC[0], netherite.Serve(accounts, approval, withdraw, charge))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hub.Close(context.Background()) }()
	list := commandsOf(t, "../docs/reference-http.md")
	if len(list) != 1 {
		t.Fatalf("the page has %d pieces of commands, want 1", len(list))
	}
	page := strings.ReplaceAll(list[0], "127.0.0.1:8082", s.Place().HTTP)
	var before []string
	asked := 0
	for line := range strings.Lines(page) {
		command, said, _ := strings.Cut(line, " # ")
		if !strings.HasPrefix(command, "ask ") {
			before = append(before, line)
			continue
		}
		asked++
		want := strings.Fields(said)[0]
		if got := answered(t, strings.Join(before, "")+command, want); got != want {
			t.Errorf("%s: %s, want %s", command, got, want)
		}
	}
	if asked < 10 {
		t.Errorf("only %d examples were found in the page", asked)
	}
}

// answered runs a command until it prints what is wanted, and returns what it printed
// last.
func answered(t *testing.T, command, want string) (got string) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	dir := t.TempDir()
	for got != want && ctx.Err() == nil {
		cmd := exec.Command("sh", "-e", "-c", command)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			return fmt.Sprint(err)
		}
		got = string(bytes.TrimSpace(out))
	}
	return got
}
