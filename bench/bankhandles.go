package bench

import "github.com/netherite-go/netherite/durable"

// The Bank for programs that keep its books themselves: accounts that they open,
// transfers between these, and audits, which return what does not add up.
var (
	Accounts      = accounts
	AccountOpen   = accountOpen
	TransferMoney = transferMoney
	AuditAccounts = auditAccounts
)

// BankHandlers is the code of the Bank.
func BankHandlers() []durable.Handler { return newBank().handlers() }
