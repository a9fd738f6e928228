// The DurableClient of the package durable-functions, which speaks the HTTP API. It is
// made from what the Functions host hands to a function: the name of the task hub, and
// the addresses to create and to manage instances. A worker of the other package runs
// what it starts.
"use strict";
const { HttpRequest, InvocationContext } = require("@azure/functions");
const df = require("durable-functions");
const { fetch, patient } = require("./killed");
const { assert, client: own, hub, newID, runAll, sleep, test, until } = require("./harness");

const origin = `http://${process.env.NETHERITE_HTTP}`;
process.env.WEBSITE_HOSTNAME = process.env.NETHERITE_HTTP; // as the host sets it for its functions

// binding is the input of a durable client, as the host makes it.
function binding(rpc) {
  const base = `${origin}/runtime/webhooks/durabletask`, query = `taskHub=${hub}&connection=Storage&code=the-key`;
  const instance = `${base}/instances/INSTANCEID`;
  return {
    taskHubName: hub,
    creationUrls: {
      createNewInstancePostUri: `${base}/orchestrators/{functionName}[/{instanceId}]?${query}`,
      createAndWaitOnNewInstancePostUri: `${base}/orchestrators/{functionName}[/{instanceId}]?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}&${query}`,
    },
    managementUrls: {
      id: "INSTANCEID",
      statusQueryGetUri: `${instance}?${query}`,
      sendEventPostUri: `${instance}/raiseEvent/{eventName}?${query}`,
      terminatePostUri: `${instance}/terminate?reason={text}&${query}`,
      rewindPostUri: `${instance}/rewind?reason={text}&${query}`,
      purgeHistoryDeleteUri: `${instance}?${query}`,
      restartPostUri: `${instance}/restart?${query}`,
      suspendPostUri: `${instance}/suspend?reason={text}&${query}`,
      resumePostUri: `${instance}/resume?reason={text}&${query}`,
    },
    baseUrl: base,
    requiredQueryStringParameters: query,
    ...(rpc ? { rpcBaseUrl: `${origin}/durabletask/` } : {}),
  };
}

// durableClient is what a function gets from that input.
function durableClient(rpc) {
  const input = df.input.durableClient();
  const context = new InvocationContext({ functionName: "starter", options: { extraInputs: [input] } });
  context.extraInputs.set(input, binding(rpc));
  return patient(df.getClient(context), { http: true });
}

// What is addressed by way of rpcBaseUrl names no hub, so these are of the default one.
const ways = hub === "default" ? { "on the machine": true, "by its addresses": false } : { "by its addresses": false };
const Status = df.OrchestrationRuntimeStatus;

for (const [way, rpc] of Object.entries(ways)) {
  const client = durableClient(rpc);
  const it = (name, define) => test(`HTTP client: ${way}: ${name}`, define);
  const reach = (id, status) => until(async () => (await client.getStatus(id)).runtimeStatus === status, `${id} is ${status}`);
  const waits = (w) => w.orchestrator(async function* (ctx, input) { ctx.setCustomStatus("waiting"); return [input, yield ctx.waitForExternalEvent("go")]; });
  const begin = async (name, options) => {
    const id = await client.startNew(name, options);
    await reach(id, Status.Running);
    return id;
  };

  it("an orchestration is started, and its status has all there is", (w) => {
    const echo = w.activity(async (_, v) => v);
    const name = w.orchestrator(async function* (ctx, input) { ctx.setCustomStatus({ step: 1 }); return [yield ctx.callActivity(echo, input)]; });
    return async () => {
      const input = { name: "Tokyo", list: [1, null, "x"] };
      const before = Date.now();
      const id = await client.startNew(name, { input });
      await reach(id, Status.Completed);
      const s = await client.getStatus(id, { showInput: true });
      assert.deepEqual([s.name, s.instanceId, s.input, s.output, s.customStatus], [name, id, input, [input], { step: 1 }]);
      assert.ok(Math.abs(s.createdTime - before) < 60_000 && s.lastUpdatedTime >= s.createdTime);
    };
  });

  it("an ID, a version and no input", (w) => {
    const name = w.orchestrator(async (ctx, input) => ({ version: ctx.version, input }));
    return async () => {
      const instanceId = newID();
      assert.equal(await client.startNew(name, { instanceId, version: "2.1" }), instanceId);
      await reach(instanceId, Status.Completed);
      const s = await client.getStatus(instanceId);
      assert.deepEqual([s.output, s.input], [{ version: "2.1", input: "" }, ""], "this client sends an empty text for nothing");
    };
  });

  it("the status may leave the input out, and tell the history", (w) => {
    const act = w.activity(async (_, v) => v + 1);
    const name = w.orchestrator(async function* (ctx, n) { return yield ctx.callActivity(act, n); });
    return async () => {
      const id = await client.startNew(name, { input: 41 });
      await reach(id, Status.Completed);
      if (!rpc) assert.equal((await client.getStatus(id, { showInput: false })).input, null);
      await client.getStatus(id, { showHistory: true, showHistoryOutput: true }); // which this client does not pass on
      const uri = `${client.createHttpManagementPayload(id).statusQueryGetUri}&showHistory=true&showHistoryOutput=true`;
      const { historyEvents } = await (await fetch(uri)).json();
      assert.deepEqual(historyEvents.map((e) => e.EventType), ["ExecutionStarted", "TaskCompleted", "ExecutionCompleted"]);
      assert.deepEqual([historyEvents[1].FunctionName, historyEvents[1].Result, historyEvents[2].Result], [act, 42, 42]);
    };
  });

  it("what failed says why, and what there is not is an error", (w) => {
    const name = w.orchestrator(async () => { throw new Error("it went wrong"); });
    return async () => {
      const id = await client.startNew(name);
      await reach(id, Status.Failed);
      assert.match((await client.getStatus(id)).output, /it went wrong/);
      await assert.rejects(client.getStatus(newID("none")), /404/);
    };
  });

  it("events with data and without, and of every kind of value", (w) => {
    const name = w.orchestrator(async function* (ctx) { const got = []; for (let i = 0; i < 5; i++) got.push((yield ctx.waitForExternalEvent("go")) ?? null); return got; });
    return async () => {
      const id = await client.startNew(name);
      const data = [{ approver: "me" }, "a text", 0, [1, 2], null];
      for (const d of data) await client.raiseEvent(id, "go", d);
      await reach(id, Status.Completed);
      assert.deepEqual((await client.getStatus(id)).output, data);
      await client.raiseEvent(id, "go", 1); // it has ended, which is no error
      await assert.rejects(client.raiseEvent(newID("none"), "go", 1), /No instance/);
      await assert.rejects(client.raiseEvent(id, "", 1), /eventName/);
    };
  });

  it("suspend, resume and terminate", (w) => {
    const name = waits(w);
    return async () => {
      const id = await begin(name, { input: 1 });
      await client.suspend(id, "a pause");
      await reach(id, Status.Suspended ?? "Suspended");
      await client.raiseEvent(id, "go", 2);
      await sleep(100);
      assert.equal((await client.getStatus(id)).runtimeStatus, "Suspended");
      await client.resume(id, "on with it");
      await reach(id, Status.Completed);
      assert.deepEqual((await client.getStatus(id)).output, [1, 2]);
      const other = await begin(name);
      await client.terminate(other, "it is enough");
      await reach(other, Status.Terminated);
      assert.equal((await client.getStatus(other)).output, "it is enough");
      for (const call of ["terminate", "suspend", "resume"]) {
        await client[call](other, "again"); // it has ended, which is no error
        await assert.rejects(client[call](newID("none"), "r"), /No instance/, call);
      }
    };
  });

  it("what failed is rewound, and nothing else", (w) => {
    let broken = true;
    const flaky = w.activity(async () => { if (broken) throw new Error("at first"); return "at last"; });
    const name = w.orchestrator(async function* (ctx) { return yield ctx.callActivity(flaky); });
    const waiting = waits(w);
    return async () => {
      const id = await client.startNew(name);
      await reach(id, Status.Failed);
      broken = false;
      await client.rewind(id, "try again");
      await reach(id, Status.Completed);
      assert.equal((await client.getStatus(id)).output, "at last");
      await assert.rejects(client.rewind(id, "r"), /410/);
      await assert.rejects(client.rewind(newID("none"), "r"));
      const other = await begin(waiting);
      await assert.rejects(client.rewind(other, "r"));
      await client.terminate(other, "end");
    };
  });

  it("purge of one", (w) => {
    const name = w.orchestrator(async () => 1), waiting = waits(w);
    return async () => {
      const id = await client.startNew(name);
      await reach(id, Status.Completed);
      assert.equal((await client.purgeInstanceHistory(id)).instancesDeleted, 1);
      await assert.rejects(client.getStatus(id), /404/);
      assert.equal((await client.purgeInstanceHistory(id)).instancesDeleted, 0);
      const other = await begin(waiting);
      assert.equal((await client.purgeInstanceHistory(other)).instancesDeleted, 0);
      await client.terminate(other, "end");
    };
  });

  it("queries by status and time", (w) => {
    const name = w.orchestrator(async () => 1), waiting = waits(w);
    return async () => {
      const createdTimeFrom = new Date(Date.now() - 1000), createdTimeTo = new Date(Date.now() + 3600_000);
      const id = await client.startNew(name), other = await begin(waiting);
      await reach(id, Status.Completed);
      const ids = async (filter) => (await client.getStatusBy(filter)).map((s) => s.instanceId);
      const done = await ids({ createdTimeFrom, createdTimeTo, runtimeStatus: [Status.Completed] });
      assert.ok(done.includes(id) && !done.includes(other));
      const both = await ids({ createdTimeFrom, createdTimeTo, runtimeStatus: [Status.Completed, Status.Running] });
      assert.ok(both.includes(id) && both.includes(other));
      assert.deepEqual(await ids({ createdTimeFrom: createdTimeTo }), []);
      const all = (await client.getStatusAll()).map((s) => s.instanceId);
      assert.ok(all.includes(id) && all.includes(other));
      await client.terminate(other, "end");
    };
  });

  it("entities are signalled and read", (w) => {
    const name = w.entity(() => ({
      run(op) {
        const n = op.state.getState(0);
        if (op.name === "add") op.state.setState(n + op.getInput());
        else if (op.name === "reset") op.state.setState(null);
        else op.state.setState(n - 1);
      },
    }), "counter");
    return async () => {
      const id = new df.EntityId(name, newID());
      assert.equal((await client.readEntityState(id)).entityExists, false);
      await client.signalEntity(id, "add", 40);
      await client.signalEntity(id, "add", 3);
      await client.signalEntity(id, "decrement");
      const state = await until(async () => { const s = await client.readEntityState(id); return s.entityState === 42 && s; }, "the state is 42");
      assert.equal(state.entityExists, true);
      await client.signalEntity(id, "reset");
      await until(async () => !(await client.readEntityState(id)).entityExists, "it is gone");
    };
  });

  it("waiting for the end answers with the output, the failure, or where to look", (w) => {
    const name = w.orchestrator(async (_, v) => v), fails = w.orchestrator(async () => { throw new Error("it went wrong"); }), waiting = waits(w);
    return async () => {
      const request = new HttpRequest({ url: `${origin}/api/start`, method: "POST" });
      const wait = (id, timeoutInMilliseconds) => client.waitForCompletionOrCreateCheckStatusResponse(request, id, { timeoutInMilliseconds, retryIntervalInMilliseconds: 50 });
      const done = await wait(await client.startNew(name, { input: { a: 1 } }), 200_000);
      assert.deepEqual([done.status, await done.json()], [200, { a: 1 }]);
      const bad = await wait(await client.startNew(fails), 200_000);
      assert.equal(bad.status, 500);
      assert.equal((await bad.json()).runtimeStatus, "Failed");
      const id = await begin(waiting);
      const later = await wait(id, 100);
      assert.equal(later.status, 202);
      const links = await later.json();
      assert.equal(later.headers.get("location"), links.statusQueryGetUri);
      assert.equal((await fetch(links.statusQueryGetUri)).status, 202);
      await client.terminate(id, "end");
    };
  });

  it("each address of a check-status response does what it says", (w) => {
    let broken = true;
    const name = w.orchestrator(async function* (ctx) {
      const e = yield ctx.waitForExternalEvent("go");
      if (e === "fail" && broken) throw new Error("on purpose");
      return e;
    });
    return async () => {
      const id = await begin(name);
      const response = client.createCheckStatusResponse(undefined, id);
      assert.equal(response.status, 202);
      assert.equal(response.headers.get("retry-after"), "10");
      const uri = await response.json();
      assert.equal(uri.id, id);
      assert.equal(response.headers.get("location"), uri.statusQueryGetUri);
      const call = async (method, address, body) => (await fetch(address, { method, body, headers: body && { "Content-Type": "application/json" } })).status;
      const post = (address, body) => call("POST", address.replace("{text}", "because"), body);
      assert.equal(await call("GET", uri.statusQueryGetUri), 202);
      assert.equal(await post(uri.suspendPostUri), 202);
      await reach(id, "Suspended");
      assert.equal(await post(uri.resumePostUri), 202);
      await reach(id, Status.Running);
      assert.equal(await post(uri.sendEventPostUri.replace("{eventName}", "go"), '"fail"'), 202);
      await reach(id, Status.Failed);
      broken = false;
      assert.equal(await post(uri.rewindPostUri), 202);
      await reach(id, Status.Completed);
      assert.equal(await call("GET", uri.statusQueryGetUri), 200);
      const again = await fetch(uri.restartPostUri, { method: "POST" });
      assert.equal(again.status, 202);
      const links = await again.json();
      assert.notEqual(links.id, id);
      assert.equal(await post(links.terminatePostUri), 202);
      await reach(links.id, Status.Terminated);
      assert.equal(await post(uri.terminatePostUri), 410);
      assert.equal(await call("DELETE", uri.purgeHistoryDeleteUri), 200);
      assert.equal(await call("DELETE", uri.purgeHistoryDeleteUri), 404);
      assert.equal(await call("GET", uri.statusQueryGetUri), 404);
    };
  });

  it("a start within a trace begins the orchestration there", (w) => {
    const otel = require("@opentelemetry/api");
    const { W3CTraceContextPropagator } = require("@opentelemetry/core");
    const { AsyncLocalStorageContextManager } = require("@opentelemetry/context-async-hooks");
    otel.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    otel.propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    const name = w.orchestrator(async () => 1);
    return async () => {
      const span = otel.trace.wrapSpanContext({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 });
      const id = await otel.context.with(otel.trace.setSpan(otel.context.active(), span), () => client.startNew(name));
      const history = await until(async () => { const h = await own.getOrchestrationHistory(id); return h.length > 0 && h; }, "it has begun");
      assert.equal(history.find((e) => e.type === "ExecutionStarted").parentTraceContext?.traceParent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    };
  });
}

// These take whatever matches in the hub, so that they run when the rest is over.
const afterAll = (name, run) => test(`HTTP client: ${name}`, () => run, { alone: true });
const rest = durableClient(false);

afterAll("queries of more than a page", async () => {
  const count = 1_100;
  const startAt = new Date(Date.now() + 3600_000);
  await Promise.all(Array.from({ length: 20 }, async (_, lane) => {
    for (let i = lane; i < count; i += 20) await own.scheduleNewOrchestration("later", i, { instanceId: `later-${i}`, startAt });
  }));
  const found = await rest.getStatusBy({ runtimeStatus: [Status.Pending] });
  assert.equal(new Set(found.map((s) => s.instanceId)).size, count);
  assert.equal(found.length, count);
});

afterAll("purge by status and time", async () => {
  const createdTimeFrom = new Date(Date.now() - 3600_000), createdTimeTo = new Date(Date.now() + 3600_000);
  const done = (await rest.getStatusBy({ createdTimeFrom, runtimeStatus: [Status.Completed, Status.Failed] })).length;
  assert.ok(done > 5);
  assert.equal((await rest.purgeInstanceHistoryBy({ createdTimeFrom: createdTimeTo, runtimeStatus: [Status.Completed] })).instancesDeleted, 0);
  assert.equal((await rest.purgeInstanceHistoryBy({ createdTimeFrom, createdTimeTo, runtimeStatus: [Status.Completed, Status.Failed] })).instancesDeleted, done);
  assert.deepEqual(await rest.getStatusBy({ createdTimeFrom, runtimeStatus: [Status.Completed, Status.Failed] }), []);
});

runAll();
