package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/server/keyfile"
)

// never is the end of a key that has none.
const never = "never"

// expiryFlag is when a key expires, as its command line says.
type expiryFlag struct{ text string }

func (e *expiryFlag) add(cmd *cobra.Command, otherwise string) {
	cmd.Flags().StringVar(&e.text, "expires", "", "when it is no longer accepted: a date, from whose beginning in UTC on, a time (RFC 3339), or "+never+" (default "+otherwise+")")
}

// set gives a key the end that was asked for; otherwise it keeps its own, which must
// not be over.
func (e *expiryFlag) set(k *gate.Key) error {
	switch e.text {
	case "":
		if !k.Expires.IsZero() && !k.Expires.After(time.Now()) {
			return usagef("key %q has expired at %s: say until when it is to be accepted, --expires DATE", k.Name, keyfile.FormatExpiry(k.Expires))
		}
	case never:
		k.Expires = time.Time{}
	default:
		t, err := keyfile.Expiry(e.text)
		if err != nil {
			return usagef("--expires: %w", err)
		}
		if !t.After(time.Now()) {
			return usagef("--expires %s: that is over, the key would be refused from the beginning", e.text)
		}
		k.Expires = t
	}
	return nil
}

// endOf says in a list of keys when one expires; empty if it does not.
func endOf(expires string) terminal.Safe {
	t, err := keyfile.Expiry(expires)
	switch {
	case err != nil:
		return ""
	case t.After(time.Now()):
		return "\texpires " + terminal.Text(expires)
	}
	return "\texpired " + terminal.Text(expires)
}
