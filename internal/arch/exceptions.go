package arch

// Exceptions lists where a rule need not hold, and why.
var Exceptions = []Exception{}
