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
	{"connection strings", "the packages for the Durable Task Scheduler, given the parts of one; they read none themselves"},
	{"HTTP client", "the client of Durable Functions, by the addresses of its host"},
	{"HTTP calls", "made by the server, polled while it is killed, and refused"},
	{"kill", "cases of the rows above while the server is killed and started again at random, and loads while it is killed"},
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

The cases of a suite run once more while the server is killed with SIGKILL and started again on the same ports, each time after
a random number of beginnings and ends of cases, from a fixed seed (another one: ` + "`-args -seed N`" + `). Python's has to be killed at least 15
times amid at least 80 of its cases, JavaScript's 5 times amid 80, Java's 5 times amid 40. Left out are, each with its reason beside it
in the suite: cases that count or compare the runs of code which may run again, cases of time limits, and a few that look at whatever
a hub has or start anew under a used ID; of JavaScript and Java also those with workers of their own that end. A case of which a call
was cut off that is neither a question nor a start begins anew: whether an event whose answer never came was taken cannot be known.

Afterwards the histories are read, Python's of all task hubs, the others' of the one they share: each activity, timer, child, call and
lock in them has at most one outcome, each instance one end. The activities that workers were given are held against them: one is
given again only if the server that gave it was killed, and never if its result stands in the history of an instance that a client
has seen ended. What was rewound is left out of this; the cases of Python and Java look themselves at what has run since.

Beside Python's cases, and by themselves with the other SDKs, there are loads: many orchestrations of every kind, whose results,
histories and entities are checked when the last kill is over.

## Samples

No published package of the SDKs has a whole program in it. What every run of the suites has is what the packages have, put as it
stands into a program of ours that adds the worker, the client and what a sample leaves to its reader:

- Python: the example in the reference of the worker (its lines one by one, up to the one that stops it), one sample of the README in
  the package's metadata, and one class of the reference of the history export, all of the version above. They connect to
  ` + "`localhost:4001`" + `; from there a proxy, which gRPC takes from its environment, leads to the server of the test.
- JavaScript: two of the three samples of the README of 0.1.0-alpha.2, since later versions have no README, with the SDK of the
  version above (the third does not compile: it has a comment of another language), and one of the comments of the typings of the
  version above. The TypeScript compiler makes JavaScript of them. The samples of the README have no imports; the test adds them.
- Java: three samples in the Javadoc of ` + "`TaskOrchestrationContext`" + `, of the version above, inside methods of our own.

The programs of our pages ([Python](sdk-python.md), [JavaScript](sdk-javascript.md), [Java](sdk-java.md)) are whole; tests run them
as they stand and compare what they print with the page.

## Whole samples

The SDKs' own repositories have whole sample programs. These ran as they stand there (copies were compared by their lengths), with the packages of the versions
above, against ` + "`netherite dev`" + ` at its usual ports. Their source is not in this repository: [samples.json](../e2e/samples/samples.json)
names each by commit and length, and says what it has to print. So they are no part of ` + "`make test`" + `. To run them again, put them into a
folder as REPOSITORY/PATH: ` + "`go test -tags samples ./e2e/samples -v -timeout 15m -args -samples DIR`" + `. Last run on 2026-11-29.

| repository | sample | what it came to |
|---|---|---|
| microsoft/durabletask-python | ` + "`examples/activity_sequence.py`" + ` | as it says: ` + "`[\"Hello Tokyo!\", \"Hello Seattle!\", \"Hello London!\"]`" + ` |
| | ` + "`examples/fanout_fanin.py`" + ` | as it says |
| | ` + "`examples/human_interaction.py`" + ` | ` + "`--cost 500`" + `, also with ` + "`--local`" + `: as it says. From 1,000 on, once it is approved, it fails with any server: it sends a named tuple, which version 1.12.0 of the SDK writes as ` + "`[\"Me\"]`" + `, and reads an attribute of it |
| | ` + "`examples/scheduled_tasks.py`" + ` | as it says; three runs in its 12 seconds, then paused, resumed and deleted |
| | ` + "`examples/version_aware_orchestrator.py`" + ` | as it says, both versions |
| | ` + "`examples/work_item_filtering.py`" + ` | as it says |
| | ` + "`examples/entities/function_based_entity.py`" + `, ` + "`examples/entities/entity_locking.py`" + ` | as they say: 1 |
| microsoft/durabletask-js | ` + "`examples/hello-world/activity-sequence.ts`" + `, ` + "`examples/hello-world/fanout-fanin.ts`" + ` | as they say; compiled by TypeScript |
| microsoft/durabletask-java | ` + "`WebApplication.java`" + ` in ` + "`samples/src/main/java/io/durabletask/samples`" + ` | a worker inside of Spring Boot 2.7: its orchestration, started by ` + "`netherite instance start`" + `, comes to ` + "`\"a book|Task1|Task2|Task3\"`" + ` |

Not run, and why:

- Java: ` + "`ChainingPattern.java`, `FanOutFanInPattern.java` and `OrchestrationController.java`" + ` were to be had only in versions that call what the
  published packages (1.0.0-beta.1 to 1.5.0) do not have. Those on entities, rewinds, properties of exceptions, parents and exported
  histories need a later version than 1.5.0, and those of Azure-Samples/Durable-Task-Scheduler ` + "`durabletask-azuremanaged`" + `; Maven had neither.
- JavaScript: the samples on entities import the SDK's source from its repository, not its package; ` + "`human_interaction.ts`" + ` asks its
  questions at a terminal; those of Azure-Samples need ` + "`@microsoft/durabletask-js-azuremanaged`" + `, which npm did not have.
- Python: those that need a service of Azure's (sandboxes, payloads in its storage, language models), and pairs of programs.

## durabletask-go

Programs of ` + "`github.com/microsoft/durabletask-go`" + ` (its gRPC client and worker) are not tested with this server, and nobody has said that they work. What is known: it
speaks an earlier version of the same protocol. Its answers have no completion tokens, which the server matches by instance and task
([0078](decisions/0078-answers-without-tokens-are-told-apart-by-connection.md), tested in door/durabletask with messages of that form); its policy for IDs that are taken is in
fields that the protocol has retired, which are ignored, so that the usual rule holds: an ID that lives is taken. It has no entities, versions, tags or filters. Go
programs have a way of their own: [go-remote.md](go-remote.md).

## .NET

.NET is not run: there is no runtime for it where the tests are. Its habits (the classic encoding of entities, answers in
chunks, histories read as a stream, streams that are given up after 120 s of silence) are tested at the level of the
protocol, in door/durabletask. What that leaves out is what nobody has seen yet: a .NET worker that runs.
`
