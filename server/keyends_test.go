package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/server/keyfile"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// keysUntil writes a file with keys that expire after so long, by name.
func keysUntil(t *testing.T, file string, ends map[string]time.Duration) (tokens map[string]string) {
	t.Helper()
	tokens = map[string]string{}
	var list []gate.Key
	for name, d := range inOrder(ends) {
		token, entry := key(t, name, map[string]gate.Role{"*": gate.Reader})
		if d != 0 {
			entry.Expires = time.Now().Add(d).UTC()
		}
		tokens[name], list = token, append(list, entry)
	}
	if err := keyfile.Change(file, func([]gate.Key) ([]gate.Key, error) { return list, nil }); err != nil {
		t.Fatal(err)
	}
	return tokens
}

func TestAKeyThatHasExpiredIsRefusedWithSinceWhen(t *testing.T) {
	file := t.TempDir() + "/keys.yaml"
	tokens := keysUntil(t, file, map[string]time.Duration{"old": -time.Hour, "good": time.Hour, "endless": 0})
	s := start(t, func(c *Config) { c.KeysFile = file })
	for _, name := range []string{"good", "endless"} {
		if err := s.hello(t, nil, tokens[name]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	since := `the API key "old" has expired at ` + time.Now().UTC().Format("2006-")
	if err := s.hello(t, nil, tokens["old"]); status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), since) {
		t.Error(err)
	}
	a := s.ask(t, "GET", httpapi.Base+"/instances", "", map[string]string{"Authorization": tokens["old"]})
	if a.code != http.StatusUnauthorized || !strings.Contains(a.body, "has expired at") {
		t.Errorf("%+v", a)
	}
}

func TestKeysThatExpireSoonAreWarnedOfAtTheStartAndByEachReload(t *testing.T) {
	file := t.TempDir() + "/keys.yaml"
	day := 24 * time.Hour
	keysUntil(t, file, map[string]time.Duration{"late": 15 * day, "soon": 13 * day, "endless": 0})
	s := start(t, func(c *Config) { c.KeysFile = file })
	warned := func(n int, with ...string) {
		t.Helper()
		if list := s.log.lines(append(with, "level=WARN")...); len(list) != n {
			t.Errorf("%d warnings have %q, want %d: %q", len(list), with, n, list)
		}
	}
	warned(1, "expires soon", "key=soon")
	warned(1, "API key")
	keysUntil(t, file, map[string]time.Duration{"next": day, "over": -30 * day})
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	warned(1, "expires soon", "key=next")
	warned(1, "has expired", "key=over")
	warned(3, "API key")
	if list := s.log.lines("the API keys were read again", "keys=2", "expires="+time.Now().Add(-30*day).UTC().Format(time.DateOnly)); len(list) != 1 {
		t.Errorf("the line of the reload does not say when the first key expires:\n%s", s.log)
	}
	if stopNow(t, s); !s.keyEnds.ended {
		t.Error("a server that has stopped goes on looking at its keys")
	}
}

func TestAServerThatRunsForLongWarnsEachDayBeforeAKeyExpiresAndOnceAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &logged{}
		list := []gate.Key{{Name: "a", Expires: time.Now().Add(20*24*time.Hour + time.Minute)}, {Name: "endless"}}
		e := &keyEnds{clock: sysclock.New(), log: slog.New(slog.NewTextHandler(l, nil)), keys: func() []gate.Key { return append([]gate.Key(nil), list...) }}
		e.begin()
		<-time.After(40*24*time.Hour + time.Hour) // of the bubble's time
		synctest.Wait()
		e.end()
		if soon, over := len(l.lines("expires soon", "key=a")), len(l.lines("has expired", "key=a")); soon != 14 || over != 1 {
			t.Errorf("%d and %d warnings, want 14 and 1:\n%s", soon, over, l)
		}
		n := len(l.String())
		<-time.After(24 * time.Hour)
		if len(l.String()) != n {
			t.Error("it warns when it has ended")
		}
	})
}

func TestAFewOfManyKeysThatExpireAreNamed(t *testing.T) {
	l := &logged{}
	var list []gate.Key
	for i := range 1000 {
		list = append(list, gate.Key{Name: fmt.Sprint("k", i), Expires: time.Now().Add(time.Duration(i+1) * time.Minute)})
	}
	(&keyEnds{clock: sysclock.New(), log: slog.New(slog.NewTextHandler(l, nil)), keys: func() []gate.Key { return list }}).warn(time.Time{})
	if n := len(l.lines("expires soon")); n != endsNamed || len(l.lines("key=k0 ")) != 1 || len(l.lines("keys=980")) != 1 {
		t.Errorf("%d lines:\n%s", n, l)
	}
}
