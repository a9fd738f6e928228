//go:build planted_message_early

package planted

// MessageEarly: messages to other partitions leave one position early.
const MessageEarly = true
