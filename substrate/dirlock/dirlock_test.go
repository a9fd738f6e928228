package dirlock

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// withoutSpace holds a directory on a disk that is full, where that can be played.
var withoutSpace func(dir string)

// TestMain lets this test program play the other process: it holds the directory
// named in the environment until its standard input ends.
func TestMain(m *testing.M) {
	if dir := os.Getenv("DIRLOCK_FULL"); dir != "" {
		withoutSpace(dir)
		return
	}
	dir := os.Getenv("DIRLOCK_HOLD")
	if dir == "" {
		goleak.VerifyTestMain(m)
	}
	if _, err := Acquire(dir); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func TestSecondOpenNamesTheHolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "hub")
	l, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(dir)
	held, ok := errors.AsType[*HeldError](err)
	if !ok || !errors.Is(err, ErrHeld) || held.Holder.PID != os.Getpid() || held.Holder.Program == "" || !held.Own || !strings.Contains(err.Error(), "held by this process already") {
		t.Fatalf("second Acquire: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, err = Acquire(dir)
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLockWhoseFileWasTakenAwayIsLost(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // a file that is open cannot be removed there
	}
	dir := t.TempDir()
	l, err := Acquire(dir)
	if err == nil {
		err = l.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, lockName)); err != nil {
		t.Fatal(err)
	}
	if err := l.Check(); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), dir) {
		t.Errorf("without its file: %v", err)
	}
	next, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Check(); !errors.Is(err, ErrHeld) {
		t.Errorf("with another's file: %v", err)
	}
	if err := next.Check(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if h := readHolder(dir); h.PID != os.Getpid() {
		t.Errorf("who has lost the lock took the next holder's name away: %+v", h)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}

func TestReadersShareADirectoryAndKeepOwnersOut(t *testing.T) {
	dir := t.TempDir()
	l, err := Share(dir)
	if err != nil || l.Close() != nil {
		t.Fatalf("without a lock file: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Fatalf("to read has made %v, %v", entries, err)
	}
	owner, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Share(dir)
	if held, ok := errors.AsType[*HeldError](err); !ok || held.Read || held.Holder.PID != os.Getpid() {
		t.Fatalf("Share of a directory with an owner: %v", err)
	}
	if err := owner.Close(); err != nil {
		t.Fatal(err)
	}
	var readers [2]*Lock
	for i := range readers {
		if readers[i], err = Share(dir); err != nil {
			t.Fatal(err)
		}
	}
	_, err = Acquire(dir)
	if held, ok := errors.AsType[*HeldError](err); !ok || !held.Read || !strings.Contains(err.Error(), "only reads") {
		t.Fatalf("Acquire of a directory with readers: %v", err)
	}
	for _, l := range readers {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if owner, err = Acquire(dir); err != nil {
		t.Fatal(err)
	}
	if err := owner.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDirectoryIsItsOwnersOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // has no such bits
	}
	dir := filepath.Join(t.TempDir(), "hub")
	l, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
}

func TestLockEndsWithItsProcess(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "DIRLOCK_HOLD="+dir)
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	_, err = Acquire(dir)
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), fmt.Sprint(child.Process.Pid)) {
		t.Fatalf("while the child holds it: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	l, err := Acquire(dir)
	if err != nil {
		t.Fatalf("after the child was killed: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLockThatIsNoFileIsToBeMovedAway(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, lockName), 0o700); err != nil {
		t.Fatal(err)
	}
	for what, take := range map[string]func(string) (*Lock, error){"acquire": Acquire, "share": Share} {
		if _, err := take(dir); err == nil || errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
