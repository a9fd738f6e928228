package worker

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strconv"
)

// Request is what an activity asks a hub for, as far as its key depends on it. It has no
// times: those are often made from the clock, which every attempt reads anew.
type Request struct {
	Operation string // what kind of request
	Target    string // the instance, "" if the hub makes up its ID
	Name      string
	Payload   []byte
}

type requestDigest = [sha256.Size]byte

// RequestKey names the next request to a hub that the attempt makes, so that a repeated
// attempt repeats the request instead of making another: its key follows from what it
// asks for, and from how many equal ones the attempt has made before it. So an attempt
// that makes other requests than the one before, or in another order, makes at worst one
// again; by their number alone, it would take a new one for one that has been made.
func (c *ActivityContext) RequestKey(r *Request) string {
	digest := r.digest(c.IdempotencyKey())
	c.mu.Lock()
	if c.requests == nil {
		c.requests = map[requestDigest]uint32{}
	}
	c.requests[digest]++
	n := c.requests[digest]
	c.mu.Unlock()
	return hex.EncodeToString(digest[:]) + ":" + strconv.FormatUint(uint64(n), 10)
}

// digest tells requests of calls apart. Each part has its length before it, so that no
// two requests are the same bytes.
func (r *Request) digest(call string) (sum requestDigest) {
	h := sha256.New()
	for _, part := range [...]string{call, r.Operation, r.Target, r.Name} {
		_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(part))))
		_, _ = io.WriteString(h, part)
	}
	_, _ = h.Write(r.Payload)
	h.Sum(sum[:0])
	return sum
}
