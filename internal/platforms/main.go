// Command platforms checks the types of all packages of this module, their tests
// too, as they would be built for each platform given ("darwin/arm64"), without
// cgo. It reads the sources of all that they depend on and compiles nothing, which
// takes a tenth of the time of a build; what only a build can find (what assembler
// and linker have to say) is the same for two platforms of one system, or of one
// kind of processor.
package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	if len(os.Args) == 1 {
		fmt.Fprintln(os.Stderr, "platforms: want platforms, as in: platforms darwin/arm64 windows/amd64")
		os.Exit(2)
	}
	for _, platform := range os.Args[1:] {
		if err := check(platform); err != nil {
			fmt.Fprintf(os.Stderr, "platforms: %s: %v\n", platform, err)
			os.Exit(1)
		}
	}
}

// check checks the types of what is built for one platform.
func check(platform string) error {
	system, processor, ok := strings.Cut(platform, "/")
	if !ok {
		return fmt.Errorf("want SYSTEM/PROCESSOR")
	}
	found, err := packages.Load(&packages.Config{
		Mode:  packages.LoadAllSyntax,
		Tests: true,
		Env:   append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+processor),
	}, "./...")
	if err != nil {
		return err
	}
	if n := packages.PrintErrors(found); n > 0 {
		return fmt.Errorf("%d errors", n)
	}
	fmt.Printf("types %s: %d packages with their tests\n", platform, len(found))
	return nil
}
