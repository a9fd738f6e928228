// What the packages can express, and where it is tried. The lists below are what
// their typings export; used() holds them against the text of the suite.
//
// @microsoft/durabletask-js 0.4.0
//   client   start (input, ID, startAt, tags, version, default version), state with and
//            without payloads, waits for begin and end, events, terminate (output,
//            options, recursive), suspend, resume, rewind, restart (same and new ID),
//            purge (ID, criteria, recursive), queries (status, time, prefix, pages,
//            payloads), IDs by their end, history, entities (signal, signal for later,
//            read, query, clean up), metadata for task hubs      manage queries entities
//   worker   orchestrators, activities, entities by name and by function; versions
//            (none, strict, current or older; fail, reject); filters (auto, listed);
//            stop and start; work that a host fetches                           workers
//   context  activities, children, timers (date, seconds, cancelled), events, whenAll,
//            whenAny, continue-as-new with and without events, custom status, sendEvent,
//            newGuid, time, parent, version, logger                        basics flow
//   retries  policy (attempts, coefficient, longest wait, time for all, predicate),
//            handler (boolean, delay, synchronous, asynchronous)                retries
//   entities call, signal, lock, state, deletion, what an entity sends         entities
//   tracing  one trace through client, worker and server                        tracing
//   HTTP     calls by the name of the host's activity: off, and made       basics calls
// Not in the server's part: the in-memory backend for unit tests, the loggers' own
// formats, and what the classes of values do by themselves.
//
// durable-functions 3.5.0: all of DurableClient                              functions
//
// The SDK's repository has 207 end-to-end tests for a scheduler. By what they cover:
//   orchestrations 71, retries 20   basics flow retries manage workers
//   entities 47                     entities
//   queries 13, history 11          queries
//   restart 10, rewind 7, reuse 4   manage
//   filters 5                       workers (three of them are switched off there)
//   recovery of the stream 1        kill (it needs a container there)
//   export of histories 18          not in the package as it is published
"use strict";
const { readdirSync, readFileSync } = require("node:fs");
const path = require("node:path");
const { DurableClient } = require("durable-functions/lib/src/durableClient/DurableClient");
const dt = require("@microsoft/durabletask-js");

// unused are methods that the suite need not use.
const unused = {
  internalRunWorker: "start calls it",
  processEntityBatchRequest: "for hosts that get the older form of entity work, which is not sent",
  convertEntityMetadata: "private",
  getDistributedTracingHeaders: "private", getClientResponseLinks: "private", getStatusInternal: "private", hasValidRequestUrl: "private",
  extractUniqueWebhookOrigins: "private", extractWebhookOrigins: "private", createHttpResponse: "private", createGenericError: "private",
};

const context = ["instanceId", "entities", "parent", "currentUtcDateTime", "isReplaying", "version", "createTimer", "callActivity", "callSubOrchestrator", "waitForExternalEvent", "continueAsNew", "setCustomStatus", "sendEvent", "newGuid", "compareVersionTo", "createReplaySafeLogger"];
const entities = ["callEntity", "signalEntity", "lockEntities", "isInCriticalSection", "release", "scheduleNewOrchestration", "hasState", "getState", "setState", "hasInput", "getInput"];

// used throws if the suite does not use a method.
function used() {
  const text = readdirSync(__dirname).filter((f) => f !== "checklist.js").map((f) => readFileSync(path.join(__dirname, f), "utf8")).join("\n");
  const methods = (c) => Object.getOwnPropertyNames(c.prototype).filter((n) => n !== "constructor" && !n.startsWith("_"));
  const all = [...methods(dt.TaskHubGrpcClient), ...methods(dt.TaskHubGrpcWorker), ...methods(DurableClient), ...context, ...entities];
  const missing = all.filter((n) => !unused[n] && !new RegExp(`\\b${n}\\b`).test(text));
  if (missing.length > 0) throw new Error(`the suite does not use ${missing.join(", ")}`);
}

module.exports = { used };
