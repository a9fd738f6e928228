// Traces: the context of the client reaches orchestrations, activities and children,
// and comes back the same in each replay. The SDK makes the spans; the server carries
// what they need.
"use strict";
const otel = require("@opentelemetry/api");
const { AsyncLocalStorageContextManager } = require("@opentelemetry/context-async-hooks");
const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-base");
const { assert, client, completed, dt, newID, run, test, until } = require("./harness");

const spans = new InMemorySpanExporter();
otel.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
otel.trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }));
const tracer = otel.trace.getTracer("suite");

const firstSpan = dt.DurableTaskAttributes.REPLAY_SPAN_ID;

// traced runs an orchestration within a span, and returns the trace's spans once
// those of these names are there.
async function traced(start, wanted) {
  const traceID = await tracer.startActiveSpan("root", async (root) => {
    try { await start(); } finally { root.end(); }
    return root.spanContext().traceId;
  });
  const mine = () => spans.getFinishedSpans().filter((s) => s.spanContext().traceId === traceID);
  return until(() => {
    const names = mine().map((s) => s.name);
    return wanted.every((n) => names.includes(n)) && mine();
  }, `the spans ${wanted} are there`).catch((e) => { throw new Error(`${e.message}, but ${mine().map((s) => s.name)}`); });
}
const parentOf = (s) => s.parentSpanContext?.spanId ?? s.parentSpanId;

test("trace context: one trace has the start, the orchestration, its activities and its children", (w) => {
  const act = w.activity(async () => 1, "act");
  const child = w.orchestrator(async function* (ctx) { return yield ctx.callActivity(act); }, "child");
  const parent = w.orchestrator(async function* (ctx) {
    yield ctx.callActivity(act);
    yield ctx.createTimer(0.02);
    return yield ctx.callSubOrchestrator(child);
  }, "parent");
  return async () => {
    let id;
    const list = await traced(async () => { id = completed(await run(parent), 1).instanceId; }, [`orchestration:${parent}`, `activity:${act}`, `orchestration:${child}`]);
    const of = (name) => list.filter((s) => s.name === name);
    const started = (await client.getOrchestrationHistory(id)).find((e) => e.type === "ExecutionStarted");
    const created = of(`create_orchestration:${parent}`)[0];
    assert.ok(created, list.map((s) => s.name).join(", "));
    assert.ok(started.parentTraceContext.traceParent.includes(created.spanContext().spanId));
    const runs = of(`orchestration:${parent}`).filter((s) => s.kind === otel.SpanKind.SERVER);
    assert.ok(runs.length >= 1 && runs.every((s) => parentOf(s) === created.spanContext().spanId), "the orchestration is a child of its start");
    // A span cannot be continued in this SDK: each further one names the first.
    const first = runs.filter((s) => !s.attributes[firstSpan]);
    assert.equal(first.length, 1, `${first.length} of ${runs.length} spans of the orchestration do not know that there was one before`);
    assert.ok(runs.length >= 3 && runs.every((s) => s === first[0] || s.attributes[firstSpan] === first[0].spanContext().spanId));
    assert.ok(of(`activity:${act}`).some((s) => s.kind === otel.SpanKind.SERVER));
  };
});

test("trace context: activities and children are given the context of the span that called them", (w) => {
  const act = w.activity(async () => 1, "act");
  const name = w.orchestrator(async function* (ctx) { return yield ctx.callActivity(act); }, "caller");
  return async () => {
    let state;
    const list = await traced(async () => { state = completed(await run(name)); }, [`activity:${act}`]);
    const scheduled = (await client.getOrchestrationHistory(state.instanceId)).find((e) => e.type === "TaskScheduled");
    assert.ok(scheduled.parentTraceContext.traceParent.includes(list[0].spanContext().traceId));
  };
});

test("trace context: entities are signalled and called within a trace", (w) => {
  const entity = w.entity(() => ({ run: (op) => { op.state.setState(1); return 1; } }), "Traced");
  const name = w.orchestrator(async function* (ctx, key) { return yield ctx.entities.callEntity(new dt.EntityInstanceId(entity, key), "set"); }, "calls");
  return async () => {
    const list = await traced(async () => {
      await client.signalEntity(new dt.EntityInstanceId(entity, newID()), "set");
      completed(await run(name, newID()), 1);
    }, [`orchestration:${name}`]);
    assert.ok(list.length >= 3, list.map((s) => s.name).join(", "));
  };
});
