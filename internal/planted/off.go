//go:build !planted

package planted

// The compiler leaves out what a constant that is false guards.
const (
	// AckBeforeSync: the commit is not synced.
	AckBeforeSync = false

	// ChangeEarly: watches are told of changes one position early.
	ChangeEarly = false

	// CheckpointAhead: a checkpoint is applied before its position is durable.
	CheckpointAhead = false

	// CheckpointWithoutOutbox: checkpoints lack the outbox.
	CheckpointWithoutOutbox = false

	// ChildrenForgotten: a recursive termination forgets the children, who go on.
	ChildrenForgotten = false

	// ChildrenKept: a recursive purge forgets no children.
	ChildrenKept = false

	// CommittedEarly: activities with AfterCommit start one position early.
	CommittedEarly = false

	// CopyTrimmed: the log is trimmed while a hub is copied.
	CopyTrimmed = false

	// CopyWithoutLast: a copy of the log lacks the segment that is being written to.
	CopyWithoutLast = false

	// DedupOffByOne: the last message of a frame that overlaps is taken again.
	DedupOffByOne = false

	// EffectOnePositionEarly: answers leave when their commit begins.
	EffectOnePositionEarly = false

	// EndedWithoutTime: what is terminated does not say when it ended.
	EndedWithoutTime = false

	// EventLost: events that an orchestration raises for another are not sent.
	EventLost = false

	// EvictedBeforeApplied: what a checkpoint is about to store may be evicted.
	EvictedBeforeApplied = false

	// EvidenceNotStored: a checkpoint leaves out what could not be applied to an instance that is set aside.
	EvidenceNotStored = false

	// ExistsIgnored: a start that must fail if there is such an instance is taken for one that replaces it.
	ExistsIgnored = false

	// GCTooFar: a trim lets one segment too much go.
	GCTooFar = false

	// GrantOrphaned: a lock that is granted to nobody is not released.
	GrantOrphaned = false

	// HandleLeftOpen: a log that has failed leaves a file open when it is closed.
	HandleLeftOpen = false

	// HeldDroppedAtRetry: what was held behind the first for an instance that was set aside is dropped by a retry.
	HeldDroppedAtRetry = false

	// HeldNotStored: a checkpoint leaves out what an instance that is set aside holds.
	HeldNotStored = false

	// IgnoreEpochOnAppend: an earlier opening appends to the log of a later one.
	IgnoreEpochOnAppend = false

	// IgnoreEpochOnReceive: the partition takes the result of a hand-out that is over.
	IgnoreEpochOnReceive = false

	// IndexRowLeft: rows by name and status stay when an instance has another status or is gone.
	IndexRowLeft = false

	// InputForgotten: the input of what has completed is not stored.
	InputForgotten = false

	// ItemEarly: work items leave one position early.
	ItemEarly = false

	// ItemsNotReturned: what a lost worker had is not counted as returned.
	ItemsNotReturned = false

	// KeeperNeverRests: the keeper has itself called again for now, for ever.
	KeeperNeverRests = false

	// KeyOfAttempt: the idempotency key is that of an attempt, not of a call.
	KeyOfAttempt = false

	// KeyUndeclared: of several messages only the first names its instance.
	KeyUndeclared = false

	// KeyWithoutInput: the idempotency key does not depend on the input.
	KeyWithoutInput = false

	// LiveCopyOfAnyPast: a worker goes on with what it has of an instance, whatever has happened since.
	LiveCopyOfAnyPast = false

	// LockPassed: an operation of somebody else passes a lock.
	LockPassed = false

	// LockReleasedEarly: a lock is released before what its holder has asked for is written.
	LockReleasedEarly = false

	// LossNotTold: a watch whose buffer is full does not say so.
	LossNotTold = false

	// MapOrderLeak: locks are released in the order of a map.
	MapOrderLeak = false

	// MessageEarly: messages to other partitions leave one position early.
	MessageEarly = false

	// MessagesOutOfOrder: the messages of a frame are taken from the last to the first.
	MessagesOutOfOrder = false

	// OldRecordNewMeaning: the numbers of two operations have changed places since their records were written.
	OldRecordNewMeaning = false

	// OutboxDroppedOnCheckpoint: a checkpoint empties the outbox.
	OutboxDroppedOnCheckpoint = false

	// OutboxUnloggedAck: an acknowledgement that is not logged empties the outbox.
	OutboxUnloggedAck = false

	// OverlayWithoutCapture: a query does not see what a checkpoint is about to store.
	OverlayWithoutCapture = false

	// PageBeginsWithLast: a page begins with the last instance of the one before.
	PageBeginsWithLast = false

	// ParkedPinsLog: the log is kept for as long as a partition is parked.
	ParkedPinsLog = false

	// PositionWithoutIncarnation: an opening goes on in the epoch of the last one.
	PositionWithoutIncarnation = false

	// PurgeUndone: a purge is acknowledged, and nothing is purged.
	PurgeUndone = false

	// QueryPurgeUndone: a purge by query is acknowledged, and nothing is purged.
	QueryPurgeUndone = false

	// ReceiptByReference: the record of a receipt refers to the messages in the outbox that they came from.
	ReceiptByReference = false

	// RecoveryOnUnsynced: a recovery takes what may be in the page cache only for durable.
	RecoveryOnUnsynced = false

	// RefusalEarly: a refusal does not wait for what it was decided by.
	RefusalEarly = false

	// ResultFromAnyone: a result of an item that the connection does not hold is acknowledged.
	ResultFromAnyone = false

	// RetryAfterWindow: a request that is too old to be told from a repetition is applied.
	RetryAfterWindow = false

	// RetryAppliedTwice: a request is forgotten after a second.
	RetryAppliedTwice = false

	// SectorRewritten: a write to the log begins with the last sector of what is durable already.
	SectorRewritten = false

	// SideFileIgnored: what was set aside for a parked partition is not replayed.
	SideFileIgnored = false

	// SignalLost: signals of orchestrations and entities are not sent.
	SignalLost = false

	// SkipCRC: checksums of frames are not checked.
	SkipCRC = false

	// SkipDirSync: directories are not synced.
	SkipDirSync = false

	// StartAppliedTwice: the repetition of a start is not known as one.
	StartAppliedTwice = false

	// StateBeforeLock: an entity is read as it was before it was locked last.
	StateBeforeLock = false

	// StatusIgnored: a query lists instances of other statuses than it is for.
	StatusIgnored = false

	// StopAtBadRecord: a bad record is taken for the end of the log.
	StopAtBadRecord = false

	// SuspendLeaks: a suspension holds nothing back.
	SuspendLeaks = false

	// TerminatedKept: retention leaves out what was terminated.
	TerminatedKept = false

	// TimerFromWallClock: a Step sees another time than its record has.
	TimerFromWallClock = false

	// TimersEarly: timers fire up to a second before their time.
	TimersEarly = false

	// TimersLate: timers fire half an hour late.
	TimersLate = false

	// TrimmedBeforeFlush: the log is trimmed up to what the store has, durable or not.
	TrimmedBeforeFlush = false

	// UnknownTooOften: now and then a request that is not too old is said to be.
	UnknownTooOften = false

	// UnloadedIsAbsent: of several messages only the first names its instance, and one that was not loaded is taken for one that does not exist.
	UnloadedIsAbsent = false

	// UnloggedChange: an event that is not logged changes what is durable.
	UnloggedChange = false

	// WaitingDropped: a partition that was parked says that it has seen what waits for it.
	WaitingDropped = false

	// WindowsBlock: who waits for room in the window of another partition takes no messages itself.
	WindowsBlock = false

	// ZombieAnswer: an earlier opening of the log answers from what it remembers.
	ZombieAnswer = false

	// ZombieAppend: what an earlier opening has appended is acknowledged after a later one has opened the log.
	ZombieAppend = false

	// ZombieCheckpoint: an earlier opening of the log changes the store and side files.
	ZombieCheckpoint = false
)
