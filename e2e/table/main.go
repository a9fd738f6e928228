// Table writes docs/compatibility.md from what the end-to-end suites of the SDKs
// came to. Run it in the root of the tree, after the suites with -update:
//
//	go test ./e2e/python -args -update
//	go run ./e2e/table
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// write renders the table of the tree at root, and writes it there.
func write(root string) error {
	text, err := render(root)
	if err != nil {
		return err
	}
	return os.WriteFile(page(root), text, 0o644)
}
