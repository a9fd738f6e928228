package ops_test

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
)

// listening lists the addresses at which a process takes connections or packets.
func listening(t *testing.T, pid int) (list []netip.AddrPort) {
	t.Helper()
	mine := map[string]bool{}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("no open files of process %d: %v", pid, err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "socket:[") {
			mine[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			// A TCP socket listens in state 0A; a UDP socket without a peer, in 07.
			if len(f) > 9 && mine[f[9]] && (f[3] == "0A" || f[3] == "07") {
				list = append(list, addressOf(t, f[1]))
			}
		}
	}
	return list
}

// addressOf reads an address as the kernel prints it: words of four bytes, each
// with its lowest byte first.
func addressOf(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(host)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+4 <= len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	ip, ok := netip.AddrFromSlice(b)
	n, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		t.Fatalf("address %s: %v", text, err)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n))
}

func offLoopback(list []netip.AddrPort) []netip.AddrPort {
	return slices.DeleteFunc(slices.Clone(list), func(a netip.AddrPort) bool { return a.Addr().IsLoopback() })
}

func TestWithDefaultsNothingListensOffLoopback(t *testing.T) {
	dev := &process{t: t, cmd: exec.Command(sdktest.Binary(t), "dev")}
	dev.cmd.Dir = t.TempDir()
	dev.run()
	// In production there are no listeners but those that it is told of.
	production := start(t, "server", "--data", t.TempDir(), "--grpc", "localhost:0", "--http", "127.0.0.1:0")
	for p, want := range map[*process]int{dev: 4, production: 2} {
		list := listening(t, p.cmd.Process.Pid)
		if len(list) != want {
			t.Errorf("%v listens at %v, want %d addresses", p.cmd.Args, list, want)
		}
		if off := offLoopback(list); len(off) > 0 {
			t.Errorf("%v listens at %v", p.cmd.Args, off)
		}
	}
	open := start(t, "server", "--data", t.TempDir(), "--grpc", "0.0.0.0:0", "--http", "127.0.0.1:0", "--admin", "off", "--insecure")
	if off := offLoopback(listening(t, open.cmd.Process.Pid)); len(off) != 1 {
		t.Errorf("the test does not see that %v can be reached from everywhere: %v", open.cmd.Args, off)
	}
}

func TestWhatOthersCanReachIsRefusedUnlessInsecureIsTyped(t *testing.T) {
	for _, flag := range []string{"--grpc", "--http", "--admin"} {
		args := append([]string{"server", "--data", t.TempDir()}, loopback...)
		_, errs, code := command(t, append(args, flag, "0.0.0.0:0")...)
		if code == 0 || !strings.Contains(errs, "--insecure") || !strings.Contains(errs, "TLS") {
			t.Errorf("%s 0.0.0.0:0 ends with %d: %s", flag, code, errs)
		}
	}
	p := start(t, append([]string{"server", "--data", t.TempDir(), "--insecure"}, loopback...)...)
	wait(t, p.says("INSECURE"), "a line that says that it is insecure")
}

func TestADevServerGoesOnWithAnotherPortWhereOneOfItsOwnChoiceIsTaken(t *testing.T) {
	usual := []string{"127.0.0.1:4001", "127.0.0.1:8080", "127.0.0.1:8082"}
	for _, address := range usual {
		if l, err := net.Listen("tcp", address); err == nil { // else somebody else has it, which is as well
			defer l.Close()
		}
	}
	p := start(t, "dev", "--memory", "--admin", "127.0.0.1:0")
	for _, at := range append(p.place.GRPC, p.place.HTTP) {
		if slices.Contains(usual, at) {
			t.Errorf("it claims to be at %v", p.place)
		}
	}
	if code, _ := ask(t, "GET", "http://"+p.place.HTTP+"/readyz", ""); code != 200 {
		t.Errorf("readyz answers %d", code)
	}
	if log := strings.Join(p.lines(), "\n"); strings.Count(log, "the port is taken") != 3 {
		t.Errorf("the log does not say so: %s", log)
	}
}

func TestAPortThatWasAskedForAndIsTakenEndsAServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	for _, args := range [][]string{
		{"server", "--data", t.TempDir(), "--grpc", "127.0.0.1:0", "--http", taken, "--admin", "off"},
		{"dev", "--memory", "--grpc", "127.0.0.1:0", "--http", taken, "--admin", "off"},
	} {
		_, errs, code := command(t, args...)
		if code != 1 || !strings.Contains(errs, "http") || !strings.Contains(errs, taken) {
			t.Errorf("%v ends with %d: %s", args, code, errs)
		}
	}
}
