package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// fromFile begins the value of a flag that names a file with the payload, as curl has it:
// no JSON begins so. A dash behind it is standard input.
const fromFile = "@"

// maxPayload is the most that a server can be told to take as a payload. A hub takes less
// (2 MiB, unless it is told), which it says.
const maxPayload = 16 << 20

// payloadFlag adds a flag for a payload and returns what reads it; nil if the flag was
// not given.
func payloadFlag(cmd *cobra.Command, name, what string) func() ([]byte, error) {
	value := cmd.Flags().String(name, "", what+": JSON, or @FILE, or @- for standard input")
	_ = cmd.RegisterFlagCompletionFunc(name, suggestPayloads)
	_ = cmd.Flags().SetAnnotation(name, fromFile, nil)
	return func() ([]byte, error) {
		file, named := strings.CutPrefix(*value, fromFile)
		switch {
		case !cmd.Flags().Changed(name):
			return nil, nil
		case named:
			return readPayload(cmd, "--"+name+" "+*value, file)
		}
		return jsonFlag(name, *value)
	}
}

// jsonFlag checks that a flag's value is JSON.
func jsonFlag(name, value string) ([]byte, error) {
	if !utf8.ValidString(value) {
		return nil, usagef("--%s is not UTF-8, as JSON is: %q", name, value)
	}
	if !json.Valid([]byte(value)) {
		return nil, usagef("--%s is not JSON: %s (a string needs quotes: '\"text\"'; a file is named by @FILE)", name, value)
	}
	return []byte(value), nil
}

// readPayload reads a payload from a file, or standard input; from is what was said.
func readPayload(cmd *cobra.Command, from, file string) ([]byte, error) {
	in := cmd.InOrStdin()
	switch file {
	case "":
		return nil, usagef("%s: a name is missing: @FILE, or @- for standard input", from)
	case "-":
	default:
		f, err := os.Open(file)
		if err != nil {
			return nil, usagef("%s: %w", from, causeOf(err))
		}
		defer f.Close()
		in = f
	}
	b, err := readAll(cmd.Context(), in)
	if _, broken := errors.AsType[*interruption](err); broken {
		return nil, err
	}
	if err != nil {
		return nil, usagef("%s: %w", from, causeOf(err))
	}
	b = bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\ufeff"))) // as some editors begin a file
	var value json.RawMessage
	switch err := json.Unmarshal(b, &value); {
	case len(b) > maxPayload:
		return nil, usagef("%s: it has more than %d bytes, which no hub takes as a payload", from, maxPayload)
	case len(b) == 0:
		return nil, usagef("%s: it is empty; without a payload, leave the flag out", from)
	case !utf8.Valid(b):
		return nil, usagef("%s is not UTF-8, as JSON is", from)
	case err != nil:
		return nil, usagef("%s is not JSON: %s%w", from, lineOfSyntax(b, err), err)
	}
	return b, nil
}

// lineOfSyntax says in which line of a text its JSON is wrong.
func lineOfSyntax(text []byte, err error) string {
	bad, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return ""
	}
	return fmt.Sprintf("line %d: ", 1+bytes.Count(text[:min(int(bad.Offset), len(text))], []byte("\n")))
}

// readAll reads what there is, up to more than a payload can have, unless the command is
// broken off before: somebody may not have typed it yet.
func readAll(ctx context.Context, in io.Reader) ([]byte, error) {
	type read struct {
		b   []byte
		err error
	}
	all := make(chan read, 1)
	go func() {
		b, err := io.ReadAll(io.LimitReader(in, maxPayload+1<<10))
		all <- read{b, err}
	}()
	select {
	case r := <-all:
		return r.b, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// suggestPayloads suggests files behind the @, once a letter of one is typed: bash, which
// takes the @ for a word of its own, would put another one behind it.
func suggestPayloads(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	path, named := strings.CutPrefix(typed, fromFile)
	if !named || path == "" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	dir, begun := filepath.Split(path)
	look := dir
	if look == "" {
		look = "."
	}
	entries, _ := os.ReadDir(look) // of what cannot be read nothing is suggested
	var list []string
	directive := cobra.ShellCompDirectiveNoFileComp
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), begun) || begun == "" && strings.HasPrefix(e.Name(), ".") {
			continue
		}
		word := fromFile + dir + e.Name()
		if e.IsDir() {
			word += "/"
			directive |= cobra.ShellCompDirectiveNoSpace // there is more to come
		}
		list = append(list, word)
	}
	return typable(list), directive
}

// splitByBash makes a completer of arguments suggest files where bash has taken the name
// behind a @ for an argument.
func splitByBash(cmd *cobra.Command, of completer) completer {
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		split := false
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			_, takesFiles := f.Annotations[fromFile]
			split = split || takesFiles && f.Changed && f.Value.String() == fromFile
		})
		if split {
			return filesMeant(c, args, typed)
		}
		return of(c, args, typed)
	}
}
