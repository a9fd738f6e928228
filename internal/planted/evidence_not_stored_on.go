//go:build planted_evidence_not_stored

package planted

// EvidenceNotStored: a checkpoint leaves out what could not be applied to an instance that is set aside.
const EvidenceNotStored = true
