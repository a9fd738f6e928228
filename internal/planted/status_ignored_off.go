//go:build !planted_status_ignored

package planted

// StatusIgnored: a query lists instances of other statuses than it is for.
const StatusIgnored = false
