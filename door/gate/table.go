package gate

// Need is what an operation needs, and how it is treated.
type Need struct {
	Role   Role
	Audit  bool // it manages: the audit log has each
	Stream bool // it lasts until one side ends it, so a caller may have some at a time only
	// Answers is that it ends, or gives back, what the caller was given to do by a
	// stream, or reads what is needed for it: where some is out no limit on the number
	// of calls counts.
	Answers bool
	// Named is that it is an answer only if it names by its token what it is about: else
	// it says something of the worker, such as that it leaves.
	Named bool
}

var (
	reads    = Need{Role: Reader}
	watches  = Need{Role: Reader, Stream: true}
	recalls  = Need{Role: Reader, Stream: true, Answers: true}
	messages = Need{Role: Client} // what programs do all the time; see Options.AuditAll
	manages  = Need{Role: Client, Audit: true}
	works    = Need{Role: Worker, Answers: true}
	returns  = Need{Role: Worker, Answers: true, Named: true}
	serves   = Need{Role: Worker, Audit: true, Stream: true}
	governs  = Need{Role: Admin, Audit: true}
	operates = Need{Role: Admin} // and looks only
)

// Needs is what each operation needs: remote calls by their full method, HTTP
// routes by method and pattern, those of the admin listener (see Gate.Admins) with
// "admin" before that. What is not in it is refused.
var Needs = map[string]Need{
	"/TaskHubSidecarService/Hello":                                 reads,
	"/TaskHubSidecarService/GetInstance":                           reads,
	"/TaskHubSidecarService/WaitForInstanceStart":                  reads,
	"/TaskHubSidecarService/WaitForInstanceCompletion":             reads,
	"/TaskHubSidecarService/QueryInstances":                        reads,
	"/TaskHubSidecarService/ListInstanceIds":                       reads,
	"/TaskHubSidecarService/StreamInstanceHistory":                 recalls,
	"/TaskHubSidecarService/GetEntity":                             reads,
	"/TaskHubSidecarService/QueryEntities":                         reads,
	"/TaskHubSidecarService/StartInstance":                         messages,
	"/TaskHubSidecarService/RaiseEvent":                            messages,
	"/TaskHubSidecarService/SignalEntity":                          messages,
	"/TaskHubSidecarService/RestartInstance":                       manages,
	"/TaskHubSidecarService/RewindInstance":                        manages,
	"/TaskHubSidecarService/TerminateInstance":                     manages,
	"/TaskHubSidecarService/SuspendInstance":                       manages,
	"/TaskHubSidecarService/ResumeInstance":                        manages,
	"/TaskHubSidecarService/SkipGracefulOrchestrationTerminations": manages,
	"/TaskHubSidecarService/PurgeInstances":                        manages,
	"/TaskHubSidecarService/CleanEntityStorage":                    manages,
	"/TaskHubSidecarService/GetWorkItems":                          serves,
	"/TaskHubSidecarService/CompleteActivityTask":                  works,
	"/TaskHubSidecarService/CompleteOrchestratorTask":              works,
	"/TaskHubSidecarService/CompleteEntityTask":                    works,
	"/TaskHubSidecarService/AbandonTaskActivityWorkItem":           returns,
	"/TaskHubSidecarService/AbandonTaskOrchestratorWorkItem":       returns,
	"/TaskHubSidecarService/AbandonTaskEntityWorkItem":             returns,
	"/TaskHubSidecarService/CreateTaskHub":                         governs,
	"/TaskHubSidecarService/DeleteTaskHub":                         governs,
	"/netherite.Server/ListTaskHubs":                               governs,

	"GET instances":                                reads,
	"GET instances/{instance}":                     reads,
	"GET entities/{name?}":                         reads,
	"GET entities/{name}/{key}":                    reads,
	"GET changes":                                  watches,
	"GET openapi.json":                             reads,
	"POST orchestrators/{function}/{instance?}":    messages,
	"POST instances/{instance}/raiseevent/{event}": messages,
	"POST entities/{name}/{key}":                   messages,
	"DELETE instances":                             manages,
	"DELETE instances/{instance}":                  manages,
	"POST instances/{instance}/terminate":          manages,
	"POST instances/{instance}/suspend":            manages,
	"POST instances/{instance}/resume":             manages,
	"POST instances/{instance}/rewind":             manages,
	"POST instances/{instance}/restart":            manages,
	"DELETE entities/{name}/{key}":                 manages,
	"POST makeprimary":                             manages,

	"admin GET /metrics":             operates,
	"admin GET /debug/pprof/":        operates,
	"admin GET /debug/pprof/cmdline": operates,
	"admin GET /debug/pprof/profile": operates,
	"admin GET /debug/pprof/symbol":  operates,
	"admin POST /debug/pprof/symbol": governs,
	"admin GET /debug/pprof/trace":   operates,
	"admin GET /log/level":           operates,
	"admin PUT /log/level":           governs,
}
