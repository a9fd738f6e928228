package main

// sdks are the columns.
var sdks = []struct{ name, title, instead string }{
	{"python", "Python", "no results"},
	{"js", "JavaScript", "no results"},
	{"java", "Java", "no results"},
	{"dotnet", ".NET", "not run, see below"},
}

// feature is a row: what stands before the colon in the names of cases, and what
// that is.
type feature struct{ name, text string }

func (f feature) String() string {
	if f.text == "" {
		return f.name
	}
	return f.name + ": " + f.text
}

// features are the rows, in order. What else the results name comes after them.
var features = []feature{
	{"hello", "connecting, and an orchestration that does nothing else"},
	{"sequence", "activities one after the other"},
	{"fan-out", "many at once, all of them or the first"},
	{"retries", "of activities and of sub-orchestrations"},
	{"sub-orchestrations", "their results, their failures, their IDs"},
	{"timers", "short ones, long ones in steps, cancelled ones"},
	{"external events", "before and after they are waited for, from clients and from orchestrations"},
	{"continue-as-new", "with and without the events that have come"},
	{"custom status", "as it changes"},
	{"suspend and resume", ""},
	{"terminate", "alone, or with all below"},
	{"rewind", "of what failed, and of what failed below"},
	{"restart", "under the same ID or a new one"},
	{"purge", "one, by filter, or with all below"},
	{"queries", "every filter, and pages"},
	{"metadata", "what is known of an instance, and waiting until it starts or ends"},
	{"history", "every kind of event in its order"},
	{"versions", "of orchestrations, and what workers make of them"},
	{"tags", ""},
	{"work item filters", "workers that take some of the work"},
	{"entities", "signals, calls, state, queries"},
	{"critical sections", "locks over several entities"},
	{"large payloads", "up to the limit, past it, and kept elsewhere"},
	{"failure details", "causes, stacks, properties"},
	{"scheduled start", ""},
	{"reuse policies", "starting under an ID that was used"},
	{"determinism", "time, IDs, and logs that replay gives again; code that has changed"},
	{"values", "empty, false, null and nested ones, and texts, wherever a payload goes"},
	{"instance IDs", "those that are given, made up, and refused"},
	{"async client", ""},
	{"workers", "several at once, one that ends and comes again, limits"},
	{"task hubs", "several in one server"},
	{"trace context", "one trace from the client to the activities"},
	{"scheduled tasks", "what the SDK builds of entities to run orchestrations at intervals"},
	{"history export", "what the SDK builds of orchestrations to write histories elsewhere"},
	{"connection strings", "the packages for the Durable Task Scheduler, pointed here"},
	{"HTTP client", "the client of Durable Functions, by the addresses of its host"},
	{"HTTP calls", "made by the server, polled while it is killed, and refused"},
	{"kill", "the server killed and started again under load"},
	{"samples", "from the SDK's own documentation, as they stand there"},
	{"documentation", "the code of our page of the SDK"},
}

const head = `# Compatibility

What the Durable Task SDKs can do with this server: drawn by ` + "`go run ./e2e/table`" + ` from what the end-to-end suites
of the last run came to. Each suite is a worker and a client with the packages as they are published, against the real
binary; it fails when it finds something else than stands here.
`

const legend = `
A cell says whether all cases of the feature passed, and how many there are; a dash says that there are none: the SDK
cannot express it, or its suite does not try it.
`

const tail = `
## .NET

.NET is not run: there is no runtime for it where the tests are. Its habits (the classic encoding of entities, answers in
chunks, histories read as a stream, streams that are given up after 120 s of silence) are tested at the level of the
protocol, in door/durabletask. What that leaves out is what nobody has seen yet: a .NET worker that runs.
`
