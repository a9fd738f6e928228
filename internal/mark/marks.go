package mark

// A Mark is a path in the code that is seldom taken.
type Mark uint8

// The marks, by package.
const (
	KeyRepeated             Mark = iota // a request is known again by its key
	SessionRepeated                     // a request is known again by its session
	KeyForgotten                        // a key is forgotten
	SessionClosed                       // a session is forgotten
	RequestTooOld                       // a request is too old to be told from a repetition
	StartRepeated                       // a start is known again by the row that it made
	StartAttached                       // a start attaches to a living instance
	StartRefused                        // a start is refused, as its ID is taken
	StartReplaces                       // a start replaces an instance
	StartTerminates                     // a start ends the living instance of its ID
	Suspended                           // an instance is suspended
	Resumed                             // an instance is resumed
	ResumedBeforeItBegan                // an instance is resumed before its first step
	PurgeSpreads                        // a purge spreads to a child
	PurgedByQuery                       // instances are purged by a query
	TaskResultStale                     // an activity's result is stale
	TaskStopped                         // an activity with a worker is stopped
	SignalScheduled                     // a signal is for later
	LockWithdrawn                       // a lock request that waits is withdrawn
	BehindLock                          // a message waits behind a lock
	LockPushesBack                      // what is in the inbox of an entity goes behind a new lock
	LockTravels                         // a lock request travels to the next entity
	LockLetsIn                          // what has waited behind a lock is let in
	Terminated                          // an instance is terminated
	TerminatedBeforeItBegan             // an instance is terminated before its first step
	TerminationSpreads                  // a termination spreads to a child
	ContinuedAsNew                      // an orchestration continues as new
	CarriedOver                         // a message is carried over into the next execution
	BuriedRows                          // a stored instance is forgotten
	AckLogged                           // an acknowledgement is logged
	AckRepeated                         // an acknowledgement is dropped as known
	MessageSentAgain                    // a message is sent again
	FrameOverlaps                       // a frame is cut to what is new in it
	MessageTooLate                      // a message comes too late for its instance
	TerminatedByMessage                 // an instance is terminated by another one
	Rewound                             // a failed orchestration is rewound
	ChildRewound                        // a failed child is rewound with its parent
	HeldBySuspension                    // a message is held back by a suspension
	StepStale                           // a step is stale
	TaskCancelled                       // an activity is cancelled by its orchestration
	TimersGone                          // timers have gone before they fire
	SignalDue                           // a signal for later is due
	Evicted                             // an instance is evicted from memory
	EvictedEnded                        // an ended instance is evicted
	Refused                             // a request is refused
	DuplicateDropped                    // a frame is dropped as a duplicate
	GapFound                            // messages are missing before a frame
	CallSentAgain                       // a call is sent again to the next node
	CallGivenUp                         // a client gives up waiting
	HeldByCommit                        // an answer waits for the commit under way
	LogSyncFailed                       // a sync of the log fails
	LogWriteFailed                      // a write to the log fails
	CommitTriedAgain                    // a commit is tried again after a full disk
	CheckpointHeld                      // a checkpoint waits for space
	CheckpointFailed                    // a checkpoint cannot be applied
	FlushFailed                         // the store cannot be flushed
	CaughtUp                            // the store has all that the log has
	HelloAnswered                       // a hello is answered
	ResendAsked                         // a partition is asked to send again
	AckWorthARecord                     // an acknowledgement is worth a record
	WindowClosed                        // a message waits for its window
	PairNotConnected                    // a message waits for the connection
	PeerAskedAgain                      // a partition that is silent is asked what it has seen
	ConnectionClosed                    // a result comes over a closed connection
	ResultStale                         // a result is of an item that is not the worker's any more
	ItemAbandoned                       // a worker gives an item back
	ItemTakenBack                       // an item is taken from a worker that has gone
	ActivityLostWithNode                // an activity is cancelled as its node has failed
	LogFull                             // a request is refused as the disk of the log is full
	StoreFull                           // a request is refused as the disk of the store is full
	LowOnSpace                          // a start is refused as space is low
	ReadOnFullDisk                      // something is read while the disk is full
	TimersDue                           // timers are due
	ClockWasSet                         // the wall clock was set
	Replayed                            // records are replayed
	RecoveryFailed                      // a recovery fails
	StoredWorkResumed                   // work that only the store knew is resumed
	QueueLetGo                          // what waits for workers is let go of, as there are none
	AcksLoggedAtCheckpoint              // acknowledgements are logged with a checkpoint
	EvictedAlways                       // everything that can be is evicted
	NodeReplaced                        // a failed node is replaced
	RecoveryTriedAgain                  // a recovery is tried again
	LoadedFromStore                     // an instance is loaded from the store
	LogStateSettled                     // the log's state is made durable once more
	LogFenced                           // an earlier opening of the log is refused
	CheckpointFenced                    // an earlier opening of the log may not change store or side files
	TailDropped                         // an unfinished tail of the log is dropped
	UnfinishedSegment                   // an unfinished segment is removed
	TailRewritten                       // a tail that may not be durable is written anew
	SegmentRecycled                     // a segment is used again
	SegmentHasNoSpace                   // there is no space for the next segment
	SegmentHasSpaceAgain                // there is space for the next segment again
	LogTrimmed                          // segments of the log are let go
	ReplayedFromHistory                 // an orchestration is rebuilt from its history
	LiveCopyForgotten                   // the live copy of a step that was refused is forgotten
	StateForgotten                      // the live state of a batch that was refused is forgotten
	WorkerRewinds                       // a worker rewinds a history
	ActivityTimedOut                    // an activity's time is up
	ActivityStopped                     // an activity that was cancelled is given back
	LiveCopyOutdated                    // a live copy is of another past
	LiveCopyEvicted                     // a live copy is given up for another one
	PageContinued                       // a query goes on after a page
	LastPageRead                        // the last page of a query is read
	FramesHeld                          // messages wait for their commit
	StepsHeld                           // work items wait for their commit
	Retired                             // instances are purged after their retention
	RequestGivenUp                      // a request is not repeated, as it may have been forgotten
	ResultTooLarge                      // an activity has more to say than is allowed
	LoadRefused                         // a request carries more than is allowed
	BackupRestored                      // a copy of the running hub is opened
	SetAside                            // an instance is set aside, as something cannot be applied to it
	SetAsideInPassing                   // so is one to which something follows from the input of another
	StandInMade                         // what an instance would have begun with is held by one that stands in for it
	HeldBehind                          // a message is held behind what could not be applied
	HeldStored                          // what is held is written to the store
	HeldLoaded                          // what is held comes from the store
	HeldApplied                         // what was held behind is applied by a retry
	HeldDropped                         // what is held goes with its instance
	RetriedFromAside                    // an instance that was set aside goes on
	RetryInVain                         // a retry cannot be applied yet
	Rebuilt                             // a partition is rebuilt after a panic
	RebuildFailed                       // a partition cannot be rebuilt, as the disk fails
	PoisonSingledOut                    // of several messages or timers the one is looked for that panics
	PartitionParked                     // a partition parks
	RecordsSetAside                     // what a parked partition needs of the log goes to its side file
	MessageKeptForParked                // a message for a parked partition is kept
	MessageShelved                      // a message for a parked partition is kept in the store only
	MessageRecalled                     // messages that only the store has are read again
	ParkedPartitionBack                 // a partition that has a side file runs again
	SideFileGrown                       // a partition parks again before its side file is in a checkpoint
	ChangeTold                          // a watch is told of a change
	ChangeSuperseded                    // a change takes the place of one that nobody has read
	ChangesLost                         // a watch is told that it has not heard of everything
	WatchEnded                          // a watch ends with its engine
	SideFileOutlived                    // all that a side file has is in a checkpoint
	count
)

var names = [...]string{
	KeyRepeated:             "KeyRepeated",
	SessionRepeated:         "SessionRepeated",
	KeyForgotten:            "KeyForgotten",
	RequestTooOld:           "RequestTooOld",
	SessionClosed:           "SessionClosed",
	StartRepeated:           "StartRepeated",
	StartAttached:           "StartAttached",
	StartRefused:            "StartRefused",
	StartReplaces:           "StartReplaces",
	StartTerminates:         "StartTerminates",
	Suspended:               "Suspended",
	Resumed:                 "Resumed",
	ResumedBeforeItBegan:    "ResumedBeforeItBegan",
	PurgeSpreads:            "PurgeSpreads",
	PurgedByQuery:           "PurgedByQuery",
	TaskResultStale:         "TaskResultStale",
	TaskStopped:             "TaskStopped",
	SignalScheduled:         "SignalScheduled",
	LockWithdrawn:           "LockWithdrawn",
	BehindLock:              "BehindLock",
	LockPushesBack:          "LockPushesBack",
	LockTravels:             "LockTravels",
	LockLetsIn:              "LockLetsIn",
	Terminated:              "Terminated",
	TerminatedBeforeItBegan: "TerminatedBeforeItBegan",
	TerminationSpreads:      "TerminationSpreads",
	ContinuedAsNew:          "ContinuedAsNew",
	CarriedOver:             "CarriedOver",
	BuriedRows:              "BuriedRows",
	AckLogged:               "AckLogged",
	AckRepeated:             "AckRepeated",
	MessageSentAgain:        "MessageSentAgain",
	FrameOverlaps:           "FrameOverlaps",
	MessageTooLate:          "MessageTooLate",
	TerminatedByMessage:     "TerminatedByMessage",
	Rewound:                 "Rewound",
	ChildRewound:            "ChildRewound",
	HeldBySuspension:        "HeldBySuspension",
	StepStale:               "StepStale",
	TaskCancelled:           "TaskCancelled",
	TimersGone:              "TimersGone",
	SignalDue:               "SignalDue",
	Evicted:                 "Evicted",
	EvictedEnded:            "EvictedEnded",
	Refused:                 "Refused",
	DuplicateDropped:        "DuplicateDropped",
	GapFound:                "GapFound",
	CallSentAgain:           "CallSentAgain",
	CallGivenUp:             "CallGivenUp",
	HeldByCommit:            "HeldByCommit",
	LogSyncFailed:           "LogSyncFailed",
	LogWriteFailed:          "LogWriteFailed",
	CommitTriedAgain:        "CommitTriedAgain",
	CheckpointHeld:          "CheckpointHeld",
	CheckpointFailed:        "CheckpointFailed",
	FlushFailed:             "FlushFailed",
	CaughtUp:                "CaughtUp",
	HelloAnswered:           "HelloAnswered",
	ResendAsked:             "ResendAsked",
	AckWorthARecord:         "AckWorthARecord",
	WindowClosed:            "WindowClosed",
	PairNotConnected:        "PairNotConnected",
	PeerAskedAgain:          "PeerAskedAgain",
	ConnectionClosed:        "ConnectionClosed",
	ResultStale:             "ResultStale",
	ItemAbandoned:           "ItemAbandoned",
	ItemTakenBack:           "ItemTakenBack",
	ActivityLostWithNode:    "ActivityLostWithNode",
	LogFull:                 "LogFull",
	StoreFull:               "StoreFull",
	LowOnSpace:              "LowOnSpace",
	ReadOnFullDisk:          "ReadOnFullDisk",
	TimersDue:               "TimersDue",
	ClockWasSet:             "ClockWasSet",
	Replayed:                "Replayed",
	RecoveryFailed:          "RecoveryFailed",
	StoredWorkResumed:       "StoredWorkResumed",
	QueueLetGo:              "QueueLetGo",
	AcksLoggedAtCheckpoint:  "AcksLoggedAtCheckpoint",
	EvictedAlways:           "EvictedAlways",
	NodeReplaced:            "NodeReplaced",
	RecoveryTriedAgain:      "RecoveryTriedAgain",
	LoadedFromStore:         "LoadedFromStore",
	LogStateSettled:         "LogStateSettled",
	LogFenced:               "LogFenced",
	CheckpointFenced:        "CheckpointFenced",
	TailDropped:             "TailDropped",
	UnfinishedSegment:       "UnfinishedSegment",
	TailRewritten:           "TailRewritten",
	SegmentRecycled:         "SegmentRecycled",
	SegmentHasNoSpace:       "SegmentHasNoSpace",
	SegmentHasSpaceAgain:    "SegmentHasSpaceAgain",
	LogTrimmed:              "LogTrimmed",
	ReplayedFromHistory:     "ReplayedFromHistory",
	LiveCopyForgotten:       "LiveCopyForgotten",
	StateForgotten:          "StateForgotten",
	WorkerRewinds:           "WorkerRewinds",
	ActivityTimedOut:        "ActivityTimedOut",
	ActivityStopped:         "ActivityStopped",
	LiveCopyOutdated:        "LiveCopyOutdated",
	LiveCopyEvicted:         "LiveCopyEvicted",
	PageContinued:           "PageContinued",
	LastPageRead:            "LastPageRead",
	FramesHeld:              "FramesHeld",
	StepsHeld:               "StepsHeld",
	Retired:                 "Retired",
	RequestGivenUp:          "RequestGivenUp",
	ResultTooLarge:          "ResultTooLarge",
	LoadRefused:             "LoadRefused",
	BackupRestored:          "BackupRestored",
	SetAside:                "SetAside",
	SetAsideInPassing:       "SetAsideInPassing",
	StandInMade:             "StandInMade",
	HeldBehind:              "HeldBehind",
	HeldStored:              "HeldStored",
	HeldLoaded:              "HeldLoaded",
	HeldApplied:             "HeldApplied",
	HeldDropped:             "HeldDropped",
	RetriedFromAside:        "RetriedFromAside",
	RetryInVain:             "RetryInVain",
	Rebuilt:                 "Rebuilt",
	RebuildFailed:           "RebuildFailed",
	PoisonSingledOut:        "PoisonSingledOut",
	PartitionParked:         "PartitionParked",
	RecordsSetAside:         "RecordsSetAside",
	MessageKeptForParked:    "MessageKeptForParked",
	MessageShelved:          "MessageShelved",
	MessageRecalled:         "MessageRecalled",
	ParkedPartitionBack:     "ParkedPartitionBack",
	SideFileGrown:           "SideFileGrown",
	ChangeTold:              "ChangeTold",
	ChangeSuperseded:        "ChangeSuperseded",
	ChangesLost:             "ChangesLost",
	WatchEnded:              "WatchEnded",
	SideFileOutlived:        "SideFileOutlived",
}
