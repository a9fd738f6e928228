//go:build planted

package planted

import (
	"fmt"
	"os"
)

// Named is the variable of the environment that names the bug, one of those in
// expected. Without it there is none.
const Named = "NETHERITE_PLANTED"

// These are documented where they are constants.
var (
	AckBeforeSync              = is("ack_before_sync")
	ChangeEarly                = is("change_early")
	CheckpointAhead            = is("checkpoint_ahead")
	CheckpointWithoutOutbox    = is("checkpoint_without_outbox")
	ChildrenForgotten          = is("children_forgotten")
	ChildrenKept               = is("children_kept")
	CommittedEarly             = is("committed_early")
	CopyTrimmed                = is("copy_trimmed")
	CopyWithoutLast            = is("copy_without_last")
	DedupOffByOne              = is("dedup_off_by_one")
	EffectOnePositionEarly     = is("effect_one_position_early")
	EndedWithoutTime           = is("ended_without_time")
	EventLost                  = is("event_lost")
	EvictedBeforeApplied       = is("evicted_before_applied")
	EvidenceNotStored          = is("evidence_not_stored")
	ExistsIgnored              = is("exists_ignored")
	GCTooFar                   = is("gc_too_far")
	GrantOrphaned              = is("grant_orphaned")
	HandleLeftOpen             = is("handle_left_open")
	HeldDroppedAtRetry         = is("held_dropped_at_retry")
	HeldNotStored              = is("held_not_stored")
	IgnoreEpochOnAppend        = is("ignore_epoch_on_append")
	IgnoreEpochOnReceive       = is("ignore_epoch_on_receive")
	IndexRowLeft               = is("index_row_left")
	InputForgotten             = is("input_forgotten")
	ItemEarly                  = is("item_early")
	ItemsNotReturned           = is("items_not_returned")
	KeeperNeverRests           = is("keeper_never_rests")
	KeyOfAttempt               = is("key_of_attempt")
	KeyUndeclared              = is("key_undeclared")
	KeyWithoutInput            = is("key_without_input")
	LiveCopyOfAnyPast          = is("live_copy_of_any_past")
	LockPassed                 = is("lock_passed")
	LockReleasedEarly          = is("lock_released_early")
	LossNotTold                = is("loss_not_told")
	MapOrderLeak               = is("map_order_leak")
	MessageEarly               = is("message_early")
	MessagesOutOfOrder         = is("messages_out_of_order")
	OldRecordNewMeaning        = is("old_record_new_meaning")
	OutboxDroppedOnCheckpoint  = is("outbox_dropped_on_checkpoint")
	OutboxUnloggedAck          = is("outbox_unlogged_ack")
	OverlayWithoutCapture      = is("overlay_without_capture")
	PageBeginsWithLast         = is("page_begins_with_last")
	ParkedPinsLog              = is("parked_pins_log")
	PositionWithoutIncarnation = is("position_without_incarnation")
	PurgeUndone                = is("purge_undone")
	QueryPurgeUndone           = is("query_purge_undone")
	ReceiptByReference         = is("receipt_by_reference")
	RecoveryOnUnsynced         = is("recovery_on_unsynced")
	RefusalEarly               = is("refusal_early")
	ResultFromAnyone           = is("result_from_anyone")
	RetryAfterWindow           = is("retry_after_window")
	RetryAppliedTwice          = is("retry_applied_twice")
	SectorRewritten            = is("sector_rewritten")
	SideFileIgnored            = is("side_file_ignored")
	SignalLost                 = is("signal_lost")
	SkipCRC                    = is("skip_crc")
	SkipDirSync                = is("skip_dir_sync")
	StartAppliedTwice          = is("start_applied_twice")
	StateBeforeLock            = is("state_before_lock")
	StatusIgnored              = is("status_ignored")
	StopAtBadRecord            = is("stop_at_bad_record")
	SuspendLeaks               = is("suspend_leaks")
	TerminatedKept             = is("terminated_kept")
	TimerFromWallClock         = is("timer_from_wall_clock")
	TimersEarly                = is("timers_early")
	TimersLate                 = is("timers_late")
	TrimmedBeforeFlush         = is("trimmed_before_flush")
	UnknownTooOften            = is("unknown_too_often")
	UnloadedIsAbsent           = is("unloaded_is_absent")
	UnloggedChange             = is("unlogged_change")
	WaitingDropped             = is("waiting_dropped")
	WindowsBlock               = is("windows_block")
	ZombieAnswer               = is("zombie_answer")
	ZombieAppend               = is("zombie_append")
	ZombieCheckpoint           = is("zombie_checkpoint")
)

// known is whether a bug has the name that was given.
var known bool

func is(bug string) bool {
	here := os.Getenv(Named) == bug
	known = known || here
	return here
}

func init() {
	if name := os.Getenv(Named); name != "" && !known {
		fmt.Fprintf(os.Stderr, "%s=%s: no such bug: internal/planted/expected lists them\n", Named, name)
		os.Exit(2)
	}
}
