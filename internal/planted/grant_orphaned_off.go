//go:build !planted_grant_orphaned

package planted

// GrantOrphaned: a lock that is granted to nobody is not released.
const GrantOrphaned = false
