package sdktest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// installing lets one test install at a time: those that run at once want the same.
var installing sync.Mutex

// Packages returns a folder in which install has installed what the files list,
// once for each content of them: later runs find it there. A run that was broken
// off leaves nothing that looks whole.
func Packages(t testing.TB, name string, files []string, install func(dir string) error) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	sum := sha256.New()
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", filepath.Base(f), len(b), b)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "netherite-e2e", name+"-"+hex.EncodeToString(sum.Sum(nil))[:16])
	whole := filepath.Join(dir, "installed")
	if _, err := os.Stat(whole); err == nil {
		return dir
	}
	for _, err := range []error{os.RemoveAll(dir), os.MkdirAll(dir, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := install(dir); err != nil {
		t.Fatalf("install what the %s suite needs: %v", name, err)
	}
	if err := os.WriteFile(whole, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
