package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
)

// place notes where a run is made.
func (r *Result) place() {
	r.Platform, r.CPUs, r.CPU, r.Go = runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU(), cpuModel(), runtime.Version()
	r.Environment = runtimeSettings()
}

// runtimeSettings are those by which users tune Go's runtime, as they are in
// force: figures made under different ones do not compare.
func runtimeSettings() string {
	in := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}, {Name: "/sched/gomaxprocs:threads"}}
	metrics.Read(in)
	set := fmt.Sprintf("GOGC=%d GOMEMLIMIT=%d GOMAXPROCS=%d", in[0].Value.Uint64(), in[1].Value.Uint64(), in[2].Value.Uint64())
	if v := os.Getenv("GODEBUG"); v != "" {
		set += " GODEBUG=" + v
	}
	return set
}

// cpuModel is the processor's name, "" where the system does not tell it in a file.
func cpuModel() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
