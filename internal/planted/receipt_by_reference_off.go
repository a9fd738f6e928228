//go:build !planted_receipt_by_reference

package planted

// ReceiptByReference: the record of a receipt refers to the messages in the outbox that they came from.
const ReceiptByReference = false
