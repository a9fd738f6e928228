//go:build planted_query_purge_undone

package planted

// QueryPurgeUndone: a purge by query is acknowledged, and nothing is purged.
const QueryPurgeUndone = true
