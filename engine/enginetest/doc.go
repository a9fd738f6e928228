// Package enginetest is the conformance suite of engines: what every one must
// be able to do, as scenarios. Each opens a hub in fresh storage, attaches a
// worker with orchestrations, activities and entities, and looks at what clients
// see. It knows an engine through package engine and Storage only.
//
// It imports durable and worker, which no other package below the languages
// does: scenarios are written the way users write workflows, and so the suite
// tests the whole of language, worker and engine.
//
// # Names
//
// The subtests that begin with T and a number are the scenarios of the original
// Netherite and Durable Functions test suites, with their numbers in our notes:
//
//	T1-T33   orchestrations                  orchestrations*.go, recreate.go, events.go, timers.go
//	T34-T38  queries and purge               queries.go
//	T39-T48  storage, recovery, memory       recovery.go, memory.go
//	T49-T52  fault injection                 faults.go
//	T53-T55  all at once, many copies        load.go
//	T56-T58  life cycle                      lifecycle.go
//	T65-T67  entities                        entities.go
//
// The other subtests are scenarios of the suites of the other engines of that
// family (rewind, suspension, payloads, tags, versions, crashes around
// checkpoints), and of none of them (critical sections under faults).
//
// # What is left out
//
// T7, an event that starts its receiver: here it is ErrNotFound, and a scenario
// of its own says so. T44, T46 and T47 are about the pages of one particular
// store. Several hosts between which partitions move are not there yet. T59 and
// T60, scale decisions, and T61 to T64, the Functions host, belong to
// surroundings that do not exist here; so do the scenarios of the relational
// engine about tenants, upgrades of its schema, and scale recommendations.
//
// # Time
//
// Scenarios never sleep. They wait for answers of the engine, and move its clock
// when something should be late.
package enginetest
