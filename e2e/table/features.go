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
	{"kill", "cases of the rows above, and loads, while the server is killed and started again at random"},
	{"samples", "parts of the SDK's own documentation, as they stand there; see below"},
	{"documentation", "the programs of our page of the SDK, whole, as they stand there"},
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
## Kills

The cases of a suite that bear it run once more while the server is killed with SIGKILL and started again on the same ports,
after random numbers of beginnings and ends of cases, from a fixed seed. Left out are cases that count the runs of code which
may run again, cases of time limits, and cases with workers or clients of their own. A case of which a call was cut off that
is neither a question nor a start begins anew: whether an event whose answer never came was taken cannot be known. Afterwards
all histories are read: each activity, timer, child, call and lock in them has at most one outcome, each instance one end.
The activities that workers were given are held against them: none twice by the same stream, and none whose result stands in
the history of an instance that a client has seen ended.

## Samples

No published package of the SDKs has a whole program in it; whole programs are in their repositories only. What is run is what the
packages have, put as it stands into a program of ours that adds the worker, the client and what a sample leaves to its reader:

- Python: the example in the reference of the worker (its lines one by one, up to the one that stops it), one sample of the README in
  the package's metadata, and one class of the reference of the history export, all of the version above. They connect to
  ` + "`localhost:4001`" + `, which the test points to its server.
- JavaScript: two of the three samples of the README of 0.1.0-alpha.2, since later versions have no README, with the SDK of the
  version above (the third does not compile: it has a comment of another language), and one of the comments of the typings of the
  version above. The TypeScript compiler makes JavaScript of them. The samples of the README have no imports; the test adds them.
- Java: three samples in the Javadoc of ` + "`TaskOrchestrationContext`" + `, of the version above, inside methods of our own.

The programs of our pages ([Python](sdk-python.md), [JavaScript](sdk-javascript.md), [Java](sdk-java.md)) are whole; tests run them
as they stand and compare what they print with the page.

## .NET

.NET is not run: there is no runtime for it where the tests are. Its habits (the classic encoding of entities, answers in
chunks, histories read as a stream, streams that are given up after 120 s of silence) are tested at the level of the
protocol, in door/durabletask. What that leaves out is what nobody has seen yet: a .NET worker that runs.
`
