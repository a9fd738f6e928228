//go:build !planted_committed_early

package planted

// CommittedEarly: activities with AfterCommit start one position early.
const CommittedEarly = false
