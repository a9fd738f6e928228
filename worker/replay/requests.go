package replay

import (
	"strconv"

	"github.com/netherite-go/netherite/model"
)

// Request IDs of entity calls and critical sections carry the ID of the action
// that asked, so that an answer finds its operation without a table.

// RequestID returns the request ID of the entity call with an action ID. It is
// unique within the execution, which is all that an answer is matched by.
func RequestID(id int32) string { return strconv.Itoa(int(id)) }

// SectionID returns the ID of the critical section that an action asks for: in
// the form of a GUID, unique in the hub because the execution's ID is.
func SectionID(execution model.ExecutionID, id int32) string {
	const digits = "0123456789abcdef"
	var b [36]byte
	n := 0
	nibble := func(v byte) {
		if n == 8 || n == 13 || n == 18 || n == 23 {
			b[n] = '-'
			n++
		}
		b[n] = digits[v&15]
		n++
	}
	for _, v := range execution[:12] {
		nibble(v >> 4)
		nibble(v)
	}
	for shift := 28; shift >= 0; shift -= 4 {
		nibble(byte(uint32(id) >> shift))
	}
	return string(b[:])
}

// actionOf is the inverse of RequestID and SectionID; NoID for anything else.
func actionOf(request string) int32 {
	base := 10
	if len(request) == 36 {
		request, base = request[28:], 16
	}
	id, err := strconv.ParseInt(request, base, 32)
	if err != nil {
		return model.NoID
	}
	return int32(id)
}
