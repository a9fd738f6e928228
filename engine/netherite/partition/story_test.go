package partition

import (
	"fmt"
	"strings"

	"github.com/netherite-go/netherite/model"
)

// story tells what is in the log, one line a record.
func (h *testHub) story() string {
	var b strings.Builder
	for i, rec := range h.log {
		c, err := ReadChunk(model.NewReader(rec.chunk))
		if err != nil {
			return err.Error()
		}
		in, _, err := c.Next()
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "%3d p%d #%d.%d %s %s\n", i, rec.part, in.Name.Epoch, in.Name.Number, showTime(in.Time), showRecord(in.Event))
	}
	return b.String()
}

func showRecord(ev Event) string {
	switch e := ev.(type) {
	case *Start:
		return fmt.Sprintf("Start %s at %s", e.Request.Instance, showTime(e.Request.At))
	case *Command:
		return fmt.Sprintf("Command %d %s %s", e.Op, e.Instance, e.Name)
	case *StepDone:
		return fmt.Sprintf("StepDone %d consumed %d: %s terminate %v rewound %d", e.Ord, e.Consumed, showEvents(e.Result.Events), e.Result.Terminate, len(e.Result.Rewound))
	case *EntityDone:
		return fmt.Sprintf("EntityDone %d results %d: %s", e.Ord, len(e.Result.Results), showEvents(e.Result.Events))
	case *TaskDone:
		return fmt.Sprintf("TaskDone %d/%d", e.Ord, e.Task)
	case *Received:
		return fmt.Sprintf("Received p%d %d: %s", e.Origin, e.First, showMessages(e.Messages))
	}
	return strings.TrimPrefix(fmt.Sprintf("%T %+v", ev, ev), "*partition.")
}
