package bench

import (
	"bufio"
	"bytes"
	"os"
	"runtime"
	"strings"
)

// runtimeSettings are the variables by which users tune Go's runtime; figures
// made under different ones do not compare.
var runtimeSettings = []string{"GOGC", "GOMEMLIMIT", "GODEBUG"}

// place notes where a run is made.
func (r *Result) place() {
	r.Platform, r.CPUs, r.CPU, r.Go = runtime.GOOS+"/"+runtime.GOARCH, runtime.GOMAXPROCS(0), cpuModel(), runtime.Version()
	var set []string
	for _, name := range runtimeSettings {
		if v := os.Getenv(name); v != "" {
			set = append(set, name+"="+v)
		}
	}
	r.Environment = strings.Join(set, " ")
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
