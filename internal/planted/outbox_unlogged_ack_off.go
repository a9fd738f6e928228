//go:build !planted_outbox_unlogged_ack

package planted

// OutboxUnloggedAck: an acknowledgement that is not logged empties the outbox.
const OutboxUnloggedAck = false
