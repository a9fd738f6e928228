package partition

import (
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Flags of a step's record: which of the rarer fields follow.
const (
	stepStatus = 1 << iota
	stepMore
	stepCancelTimers
	stepCancelTasks
	stepTerminate
	stepAwaits
	stepRewound
	stepAll = 1<<iota - 1
)

func appendStepDone(b []byte, e *StepDone, t model.Time) []byte {
	r := e.Result
	b = model.AppendUvarint(b, e.Ord)
	b = model.AppendUvarint(b, uint64(e.Consumed))
	b = model.AppendVarint(b, int64(r.Now-t))
	flags := flag(r.SetStatus, stepStatus) | flag(r.More, stepMore) | flag(len(r.CancelTimers) > 0, stepCancelTimers) |
		flag(len(r.CancelTasks) > 0, stepCancelTasks) | flag(len(r.Terminate) > 0, stepTerminate) |
		flag(len(r.Awaits) > 0, stepAwaits) | flag(r.Rewound != nil, stepRewound)
	b = append(b, flags)
	b = model.AppendEvents(b, r.Events, r.Now)
	if r.SetStatus {
		b = model.AppendOptBytes(b, r.CustomStatus)
	}
	b = appendIDs(b, r.CancelTimers)
	b = appendIDs(b, r.CancelTasks)
	if n := len(r.Terminate); n > 0 {
		b = model.AppendUvarint(b, uint64(n))
		for i := range r.Terminate {
			b = model.AppendString(b, r.Terminate[i].Instance)
			b = model.AppendOptBytes(b, r.Terminate[i].Output)
			b = model.AppendBool(b, r.Terminate[i].Recursive)
		}
	}
	if len(r.Awaits) > 0 {
		b = appendStrings(b, r.Awaits)
	}
	if r.Rewound != nil {
		b = model.AppendEvents(b, r.Rewound, r.Now)
	}
	return b
}

func decodeStepDone(rd *model.Reader, t model.Time) *StepDone {
	e := &StepDone{Ord: rd.Uvarint(), Consumed: int(readInt(rd))}
	r := &engine.OrchestrationResult{Now: t + model.Time(rd.Varint())}
	e.Result = r
	flags := rd.Byte()
	if flags&^stepAll != 0 {
		rd.Fail("unknown field of a step")
	}
	r.Events, _ = model.DecodeEvents(rd, r.Now)
	r.More = flags&stepMore != 0
	if r.SetStatus = flags&stepStatus != 0; r.SetStatus {
		r.CustomStatus = rd.OptBytes()
	}
	if flags&stepCancelTimers != 0 {
		r.CancelTimers = decodeIDs(rd)
	}
	if flags&stepCancelTasks != 0 {
		r.CancelTasks = decodeIDs(rd)
	}
	if flags&stepTerminate != 0 {
		for n := readMany(rd, 3); n > 0 && rd.Err() == nil; n-- {
			r.Terminate = append(r.Terminate, engine.TerminateRequest{Instance: rd.String(), Output: rd.OptBytes(), Recursive: rd.Bool()})
		}
	}
	if flags&stepAwaits != 0 {
		r.Awaits = decodeStrings(rd)
		if len(r.Awaits) == 0 {
			rd.Fail("list present but empty")
		}
	}
	if flags&stepRewound != 0 {
		if r.Rewound, _ = model.DecodeEvents(rd, r.Now); r.Rewound == nil {
			r.Rewound = []model.Event{}
		}
	}
	return e
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

// appendIDs appends nothing for none: a flag says so.
func appendIDs(b []byte, ids []int32) []byte {
	if len(ids) == 0 {
		return b
	}
	b = model.AppendUvarint(b, uint64(len(ids)))
	for _, id := range ids {
		b = model.AppendVarint(b, int64(id))
	}
	return b
}

func decodeIDs(r *model.Reader) (ids []int32) {
	for n := readMany(r, 1); n > 0 && r.Err() == nil; n-- {
		ids = append(ids, readID(r))
	}
	return ids
}

func appendStrings(b []byte, list []string) []byte {
	b = model.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = model.AppendString(b, s)
	}
	return b
}

func decodeStrings(r *model.Reader) (list []string) {
	for n := r.Count(1); n > 0 && r.Err() == nil; n-- {
		list = append(list, r.String())
	}
	return list
}

func appendEntityDone(b []byte, e *EntityDone, t model.Time) []byte {
	r := e.Result
	b = model.AppendUvarint(b, e.Ord)
	b = model.AppendVarint(b, int64(r.Now-t))
	b = model.AppendUvarint(b, uint64(len(r.Results)))
	for i := range r.Results {
		b = model.AppendOptBytes(b, r.Results[i].Output)
		b = model.AppendFailure(b, r.Results[i].Failure)
	}
	b = model.AppendOptBytes(b, r.State)
	return model.AppendEvents(b, r.Events, r.Now)
}

func decodeEntityDone(rd *model.Reader, t model.Time) *EntityDone {
	e := &EntityDone{Ord: rd.Uvarint()}
	r := &engine.EntityResult{Now: t + model.Time(rd.Varint())}
	e.Result = r
	n := rd.Count(2)
	r.Results = make([]engine.OperationResult, 0, min(n, 1024))
	for ; n > 0 && rd.Err() == nil; n-- {
		out := engine.OperationResult{Output: rd.OptBytes()}
		out.Failure, _ = model.DecodeFailure(rd)
		r.Results = append(r.Results, out)
	}
	r.State = rd.OptBytes()
	r.Events, _ = model.DecodeEvents(rd, r.Now)
	return e
}
