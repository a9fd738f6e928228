// Package taskhub tells which task hub a remote call is for: the same one for who
// checks whether its caller may use it, and for who does what it asks for.
package taskhub

import "strings"

// keys are the headers that name the task hub, in the order in which they count: that
// of the SDKs, and that of the Durable Functions extension.
var keys = [...]string{"taskhub", "durable-taskhub"}

// Named is the name of the task hub that a call is for, empty if it does not say. Of
// each header it gets the values in the order in which they came; the first counts.
func Named(header func(key string) []string) string {
	for _, key := range keys {
		if v := header(key); len(v) > 0 && v[0] != "" {
			return strings.TrimSpace(v[0])
		}
	}
	return ""
}
