package durable

import (
	"crypto/sha1" // what RFC 9562 prescribes for version 5; nothing relies on its strength
	"encoding/hex"
	"strconv"

	"github.com/netherite-go/netherite/worker/replay"
)

// guidNamespace is the namespace that Durable Task SDKs use.
var guidNamespace = [16]byte{0x9e, 0x95, 0x29, 0x58, 0x5e, 0x33, 0x4d, 0xaf, 0x82, 0x7f, 0x2f, 0xa1, 0x29, 0x37, 0xb8, 0x75}

// NewGUID returns a new GUID, the same in every replay: version 5 over the
// instance ID, the time of the step (ISO 8601 with seven digits) and a counter. After
// continue-as-new it is another one, too: the time of an execution is later than that of
// those before.
func (c *Context) NewGUID() string {
	name := c.ID() + "_" + c.Now().Format("2006-01-02T15:04:05.0000000Z") + "_" + strconv.FormatUint(uint64(c.guids), 10)
	c.guids++
	h := sha1.New()
	h.Write(guidNamespace[:])
	h.Write([]byte(name))
	sum := h.Sum(nil)
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	s := hex.EncodeToString(sum[:16])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// requestID names an entity call.
func requestID(ctx *Context) string { return replay.RequestID(ctx.x.NextID()) }
