package sdktest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Python returns the interpreter that has the packages of the Python suite.
func Python(t testing.TB) string {
	t.Helper()
	requirements := filepath.Join(Root(t), "e2e", "python", "requirements.txt")
	dir := Packages(t, "python", []string{requirements}, func(dir string) error {
		for _, cmd := range []*exec.Cmd{
			exec.Command("python3", "-m", "venv", filepath.Join(dir, "venv")),
			exec.Command(filepath.Join(dir, "venv", "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", requirements),
			exec.Command(filepath.Join(dir, "venv", "bin", "pip"), "check"),
		} {
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%v: %w\n%s", cmd.Args[1:], err, out)
			}
		}
		return nil
	})
	return filepath.Join(dir, "venv", "bin", "python")
}

// NodeModules returns the folder node_modules with the npm packages that the lock
// file of the JavaScript suite names.
func NodeModules(t testing.TB) string {
	t.Helper()
	var files []string
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		files = append(files, filepath.Join(Root(t), "e2e", "javascript", name))
	}
	dir := Packages(t, "javascript", files, func(dir string) error {
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), b, 0o644); err != nil {
				return err
			}
		}
		ci := exec.Command("npm", "ci", "--ignore-scripts")
		ci.Dir = dir
		if out, err := ci.CombinedOutput(); err != nil {
			return fmt.Errorf("npm ci: %w\n%s", err, out)
		}
		return nil
	})
	return filepath.Join(dir, "node_modules")
}

// Jars returns the folder with what the pom.xml of another folder lists.
func Jars(t testing.TB, name, folder string) string {
	t.Helper()
	return Packages(t, name, []string{filepath.Join(folder, "pom.xml")}, func(to string) error {
		cmd := exec.Command("mvn", "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory="+to)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	})
}
