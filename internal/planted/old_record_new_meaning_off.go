//go:build !planted_old_record_new_meaning

package planted

// OldRecordNewMeaning: the numbers of two operations have changed places since their records were written.
const OldRecordNewMeaning = false
