//go:build unix

package dirlock

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/netherite-go/netherite/internal/nospace"
)

func init() { withoutSpace = holdWithoutSpace }

// holdWithoutSpace plays a process none of whose files can grow, as on a disk that is
// full to its last block. It holds a directory until its standard input ends.
func holdWithoutSpace(dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	l, err := (*Lock)(nil), syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{})
	if err == nil {
		l, err = Acquire(dir)
	}
	fmt.Println(err, nospace.Is(l.Unsigned()))
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := l.Close(); err != nil {
		fmt.Println(err)
	}
}

func TestAFullDiskKeepsNobodyFromTakingTheLock(t *testing.T) {
	dir := t.TempDir()
	killed, err := Acquire(dir)
	if err == nil {
		err = killed.file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "DIRLOCK_FULL="+dir)
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "<nil> true\n" {
		t.Errorf("it says %q, %v", line, err)
	}
	_, err = Acquire(dir)
	if held, ok := errors.AsType[*HeldError](err); !ok || held.Holder != (Holder{}) {
		t.Errorf("another one is told: %v", err)
	}
	for _, name := range []string{holderName, holderName + ".tmp"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("it ends with %q, %v", rest, err)
	}
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
	l, err := Acquire(dir)
	if err != nil || l.Unsigned() != nil {
		t.Fatalf("with space again: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
