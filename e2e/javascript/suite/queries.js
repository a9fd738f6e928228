// What a client asks: instances by status, time, prefix and page; IDs; history.
"use strict";
const { Status, all, assert, begun, client, completed, dt, ended, newID, run, test, until } = require("./harness");

// several starts and ends n instances with IDs of one prefix.
async function several(name, n, input, options) {
  const prefix = newID("q");
  const ids = Array.from({ length: n }, (_, i) => `${prefix}-${i}`);
  await Promise.all(ids.map((instanceId) => run(name, input, { instanceId, ...options })));
  return { prefix, ids };
}
const sortedIDs = (states) => states.map((s) => s.instanceId).sort();

test("queries: without a filter all are found", (w) => {
  const name = w.orchestrator(async () => "done");
  return async () => {
    const { ids } = await several(name, 3);
    const found = new Set((await all(client.getAllInstances())).map((s) => s.instanceId));
    for (const id of ids) assert.ok(found.has(id));
  };
});

test("queries: by status", (w) => {
  const name = w.orchestrator(async function* (ctx, wait) { if (wait) yield ctx.waitForExternalEvent("go"); });
  return async () => {
    const { prefix, ids } = await several(name, 2);
    const running = await client.scheduleNewOrchestration(name, true, `${prefix}-running`);
    await begun(running);
    const of = async (statuses) => sortedIDs(await all(client.getAllInstances({ instanceIdPrefix: prefix, statuses })));
    assert.deepEqual(await of([Status.COMPLETED]), ids);
    assert.deepEqual(await of([Status.RUNNING, Status.SUSPENDED]), [running]);
    assert.deepEqual(await of([Status.FAILED]), []);
    assert.deepEqual(await of([Status.RUNNING, Status.COMPLETED]), [...ids, running].sort());
    await client.raiseOrchestrationEvent(running, "go");
    await ended(running);
    assert.deepEqual(await of([Status.RUNNING]), []);
  };
});

test("queries: by prefix, and each instance only once", (w) => {
  const name = w.orchestrator(async () => "done");
  return async () => {
    const { prefix, ids } = await several(name, 4);
    await run(name);
    const found = await all(client.getAllInstances({ instanceIdPrefix: prefix }));
    assert.deepEqual(sortedIDs(found), ids);
    for (const s of found) assert.deepEqual([s.name, s.runtimeStatus], [name, Status.COMPLETED]);
  };
});

test("queries: by the time of creation", (w) => {
  const name = w.orchestrator(async () => "done");
  return async () => {
    const { prefix, ids } = await several(name, 2);
    const hour = 3600_000;
    const between = async (from, to) => sortedIDs(await all(client.getAllInstances({ instanceIdPrefix: prefix, createdFrom: from && new Date(from), createdTo: to && new Date(to) })));
    assert.deepEqual(await between(Date.now() - hour, Date.now() + hour), ids);
    assert.deepEqual(await between(Date.now() - hour), ids);
    assert.deepEqual(await between(undefined, Date.now() - hour), []);
    assert.deepEqual(await between(Date.now() + hour), []);
  };
});

test("queries: page by page", (w) => {
  const name = w.orchestrator(async () => "done");
  return async () => {
    const { prefix, ids } = await several(name, 5);
    const pages = await all(client.getAllInstances({ instanceIdPrefix: prefix, pageSize: 2 }).asPages());
    assert.ok(pages.length >= 3 && pages.every((p) => p.values.length <= 2), `pages of ${pages.map((p) => p.values.length)}`);
    assert.deepEqual(sortedIDs(pages.flatMap((p) => p.values)), ids);
    assert.ok(!pages.at(-1).hasMoreResults);
    const rest = await all(client.getAllInstances({ instanceIdPrefix: prefix, continuationToken: pages[0].continuationToken }));
    assert.deepEqual(sortedIDs([...pages[0].values, ...rest]), ids);
  };
});

test("queries: a page that is no page is refused", () => async () => {
  await assert.rejects(all(client.getAllInstances({ continuationToken: "this is no token" })), (e) => e.code === 3);
});

test("queries: payloads come if they are wanted", (w) => {
  const name = w.orchestrator(async (ctx, v) => { ctx.setCustomStatus("s"); return { received: v }; });
  return async () => {
    const { prefix } = await several(name, 1, { message: "hello" });
    const [withThem] = await all(client.getAllInstances({ instanceIdPrefix: prefix, fetchInputsAndOutputs: true }));
    assert.deepEqual([withThem.serializedInput, withThem.serializedOutput, withThem.serializedCustomStatus], ['{"message":"hello"}', '{"received":{"message":"hello"}}', '"s"']);
    const [without] = await all(client.getAllInstances({ instanceIdPrefix: prefix }));
    assert.ok(!without.serializedInput && !without.serializedOutput);
  };
});

test("queries: failures and tags are in the answer", (w) => {
  const name = w.orchestrator(async () => { throw new Error("on purpose"); });
  return async () => {
    const { prefix } = await several(name, 1, undefined, { tags: { team: "red" } });
    const [s] = await all(client.getAllInstances({ instanceIdPrefix: prefix, fetchInputsAndOutputs: true }));
    assert.deepEqual([s.runtimeStatus, s.failureDetails?.message, s.tags], [Status.FAILED, "on purpose", { team: "red" }]);
  };
});

test("queries: entities are no orchestrations", (w) => {
  const name = w.entity(() => ({ run: (op) => op.state.setState(1) }));
  return async () => {
    const id = new dt.EntityInstanceId(name, newID());
    await client.signalEntity(id, "set");
    await until(() => client.getEntity(id), "the entity is there");
    assert.deepEqual(await all(client.getAllInstances({ instanceIdPrefix: "@" })), []);
  };
});

// ids lists all IDs that match, in pages.
async function ids(options) {
  const found = [];
  for (let key, more = true; more; ) {
    const page = await client.listInstanceIds({ ...options, lastInstanceKey: key });
    found.push(...page.values);
    key = page.continuationToken;
    more = Boolean(key);
  }
  return found;
}

test("queries: IDs of those that ended, by status and by the time of their end", (w) => {
  const name = w.orchestrator(async (_, bad) => { if (bad) throw new Error("bad"); });
  return async () => {
    const before = new Date(Date.now() - 1000);
    const good = completed(await run(name)).instanceId, bad = (await run(name, true)).instanceId;
    const after = new Date(Date.now() + 60_000);
    const done = await ids({ runtimeStatus: [Status.COMPLETED], completedTimeFrom: before, completedTimeTo: after });
    assert.ok(done.includes(good) && !done.includes(bad));
    const failures = await ids({ runtimeStatus: [Status.FAILED] });
    assert.ok(failures.includes(bad) && !failures.includes(good));
    assert.ok(!(await ids({ completedTimeTo: before })).includes(good));
    assert.deepEqual(await ids({ completedTimeFrom: after }), []);
  };
});

test("queries: IDs of page by page, each once, in the order of their ends", (w) => {
  const name = w.orchestrator(async () => 1);
  return async () => {
    const from = new Date();
    const own = [];
    for (let i = 0; i < 5; i++) own.push((await run(name)).instanceId);
    const page = await client.listInstanceIds({ pageSize: 2, completedTimeFrom: from });
    assert.equal(page.values.length, 2);
    assert.ok(page.hasMoreResults);
    const listed = await ids({ pageSize: 2, completedTimeFrom: from });
    assert.equal(new Set(listed).size, listed.length, "each only once");
    assert.deepEqual(listed.filter((id) => own.includes(id)), own);
  };
});

test("purge: by status and time, only what matches", (w) => {
  const name = w.orchestrator(async function* (ctx, what) {
    if (what === "fail") throw new Error("on purpose");
    if (what === "wait") yield ctx.waitForExternalEvent("go");
  });
  const hub = "purges"; // a hub of its own: a purge by criteria takes whatever matches
  return async () => {
    const { newClient, newWorker } = require("./harness");
    const own = newClient(hub), worker = newWorker(hub);
    worker.addNamedOrchestrator(name, async function* (ctx, what) {
      if (what === "fail") throw new Error("on purpose");
      if (what === "wait") yield ctx.waitForExternalEvent("go");
    });
    await worker.start();
    for (const what of ["", "", "fail"]) await run(name, what, undefined, own);
    const waiting = await own.scheduleNewOrchestration(name, "wait");
    await begun(waiting, own);
    const purge = async (set) => {
      const c = new dt.PurgeInstanceCriteria();
      set(c);
      return (await own.purgeOrchestration(c)).deletedInstanceCount;
    };
    assert.equal(await purge((c) => c.setCreatedTimeTo(new Date(Date.now() - 3600_000))), 0);
    assert.equal(await purge((c) => c.setRuntimeStatusList([Status.RUNNING])), 0);
    assert.equal(await purge((c) => c.setRuntimeStatusList([Status.FAILED])), 1);
    assert.equal(await purge((c) => { c.setCreatedTimeFrom(new Date(Date.now() - 3600_000)); c.setCreatedTimeTo(new Date(Date.now() + 3600_000)); c.setRuntimeStatusList([Status.COMPLETED]); }), 2);
    assert.deepEqual(sortedIDs(await all(own.getAllInstances())), [waiting]);
    await own.terminateOrchestration(waiting);
    await ended(waiting, own);
    assert.equal(await purge(() => {}), 1);
    await Promise.all([worker.stop(), own.stop()]);
  };
});

test("history: the twelve events of an activity, a timer and a child, each in its place", (w) => {
  const greet = w.activity(async (_, n) => `Hello, ${n}!`);
  const child = w.orchestrator(async () => "child");
  const name = w.orchestrator(async function* (ctx) {
    const greeting = yield ctx.callActivity(greet, "World");
    yield ctx.createTimer(0.1);
    return [greeting, yield ctx.callSubOrchestrator(child)];
  });
  return async () => {
    const { instanceId } = completed(await run(name, "in"), ["Hello, World!", "child"]);
    const h = await client.getOrchestrationHistory(instanceId);
    assert.deepEqual(h.map((e) => e.type), [
      "OrchestratorStarted", "ExecutionStarted", "TaskScheduled",
      "OrchestratorStarted", "TaskCompleted", "TimerCreated",
      "OrchestratorStarted", "TimerFired", "SubOrchestrationInstanceCreated",
      "OrchestratorStarted", "SubOrchestrationInstanceCompleted", "ExecutionCompleted",
    ]);
    assert.deepEqual([h[1].name, h[1].input, h[1].orchestrationInstance.instanceId], [name, '"in"', instanceId]);
    assert.deepEqual([h[2].name, h[2].input], [greet, '"World"']);
    assert.deepEqual([h[4].taskScheduledId, h[4].result], [h[2].eventId, '"Hello, World!"']);
    assert.ok(h[5].fireAt instanceof Date && h[7].fireAt.getTime() === h[5].fireAt.getTime() && h[7].timestamp >= h[5].fireAt);
    assert.equal(h[7].timerId, h[5].eventId);
    assert.equal(h[8].name, child);
    assert.deepEqual([h[10].taskScheduledId, h[10].result], [h[8].eventId, '"child"']);
    assert.deepEqual([h[11].orchestrationStatus, JSON.parse(h[11].result)], ["ORCHESTRATION_STATUS_COMPLETED", ["Hello, World!", "child"]]);
  };
});

test("history: IDs go up, incoming events have none, and each has a time", (w) => {
  const next = w.activity(async (_, n) => n + 1);
  const name = w.orchestrator(async function* (ctx) { let n = 0; for (let i = 0; i < 4; i++) n = yield ctx.callActivity(next, n); return n; });
  return async () => {
    const h = await client.getOrchestrationHistory(completed(await run(name), 4).instanceId);
    const own = h.filter((e) => e.eventId >= 0).map((e) => e.eventId);
    assert.deepEqual(own, [...new Set(own)].sort((a, b) => a - b));
    for (const e of h) assert.ok(e.timestamp instanceof Date && e.timestamp.getTime() > 0, e.type);
    for (const e of h.filter((e) => ["TaskCompleted", "OrchestratorStarted"].includes(e.type))) assert.equal(e.eventId, -1);
  };
});

test("history: events, failures, a fan-out, suspension and termination", (w) => {
  const fails = w.activity(async () => { throw new Error("activity failure"); });
  const name = w.orchestrator(async function* (ctx) {
    try { yield dt.whenAll([ctx.callActivity(fails), ctx.callActivity(fails)]); } catch { /* it goes on */ }
    yield ctx.waitForExternalEvent("MyEvent");
    yield ctx.waitForExternalEvent("never");
  });
  return async () => {
    const id = await client.scheduleNewOrchestration(name);
    await client.raiseOrchestrationEvent(id, "MyEvent", { data: 1 });
    await until(async () => {
      const types = (await client.getOrchestrationHistory(id)).map((e) => e.type);
      return types.includes("EventRaised") && types.filter((t) => t === "TaskFailed").length === 2;
    }, "the event and both failures are there");
    await client.suspendOrchestration(id);
    await client.resumeOrchestration(id);
    await client.terminateOrchestration(id, "stop");
    await ended(id);
    const h = await client.getOrchestrationHistory(id);
    const of = (t) => h.filter((e) => e.type === t);
    assert.equal(of("TaskScheduled").length, 2);
    assert.deepEqual(of("TaskFailed").map((e) => e.failureDetails.message), ["activity failure", "activity failure"]);
    assert.deepEqual(of("EventRaised").map((e) => [e.name, e.input]), [["MyEvent", '{"data":1}']]);
    assert.equal(of("ExecutionTerminated")[0]?.input, '"stop"');
    assert.equal(of("ExecutionCompleted")[0].orchestrationStatus, "ORCHESTRATION_STATUS_TERMINATED");
  };
});

test("history: while it runs it ends with what has happened", (w) => {
  const act = w.activity(async () => 1);
  const name = w.orchestrator(async function* (ctx) { yield ctx.callActivity(act); yield ctx.waitForExternalEvent("go"); });
  return async () => {
    const id = await client.scheduleNewOrchestration(name);
    await until(async () => (await client.getOrchestrationHistory(id)).at(-1)?.type === "TaskCompleted", "the activity is in the history");
    await client.raiseOrchestrationEvent(id, "go");
    completed(await ended(id));
  };
});

test("history: what there is not has none, and no ID is an error", () => async () => {
  assert.deepEqual(await client.getOrchestrationHistory(newID("none")), []);
  await assert.rejects(client.getOrchestrationHistory(""), /instanceId is required/);
});

test("tags: those of an orchestration, its activities and its children", (w) => {
  const act = w.activity(async () => 1);
  const child = w.orchestrator(async () => 2);
  const name = w.orchestrator(async function* (ctx, id) {
    yield ctx.callActivity(act, undefined, { tags: { step: "one" } });
    yield ctx.callSubOrchestrator(child, undefined, { instanceId: id, tags: { own: "child", env: "other" } });
  });
  return async () => {
    const id = newID("child");
    const state = completed(await run(name, id, { tags: { env: "test", owner: "durable" } }));
    assert.deepEqual(state.tags, { env: "test", owner: "durable" });
    assert.deepEqual((await client.getOrchestrationState(id)).tags, { env: "other", owner: "durable", own: "child" });
    const h = await client.getOrchestrationHistory(state.instanceId);
    assert.deepEqual(h.find((e) => e.type === "TaskScheduled").tags, { step: "one" });
    assert.deepEqual(h.find((e) => e.type === "ExecutionStarted").tags, { env: "test", owner: "durable" });
  };
});

test("tags: without any there are none", (w) => {
  const name = w.orchestrator(async () => 1);
  return async () => assert.ok(!completed(await run(name)).tags);
});

// The SDK receives at most 4 MiB at once, and wants the whole history each time.
test("large payloads: 600 KB through input, activity, event, child and output", (w) => {
  const big = "ä".repeat(300_000);
  const echo = w.activity(async (_, v) => v);
  const child = w.orchestrator(async (_, v) => v);
  const name = w.orchestrator(async function* (ctx, v) {
    const a = yield ctx.callActivity(echo, v);
    const e = yield ctx.waitForExternalEvent("big");
    return a === v && e === v ? v : "it was changed";
  });
  const parent = w.orchestrator(async function* (ctx, v) { const r = yield ctx.callSubOrchestrator(child, v); ctx.setCustomStatus(r.length); return r === v; });
  return async () => {
    const id = await client.scheduleNewOrchestration(name, big);
    await client.raiseOrchestrationEvent(id, "big", big);
    completed(await ended(id), big);
    const s = completed(await run(parent, big), true);
    assert.equal(s.serializedCustomStatus, "300000");
  };
});

test("large payloads: a history of 2 MiB is replayed and read", (w) => {
  const echo = w.activity(async (_, n) => "x".repeat(200_000) + n);
  const name = w.orchestrator(async function* (ctx) {
    let length = 0;
    for (let i = 0; i < 10; i++) length += (yield ctx.callActivity(echo, i)).length;
    return length;
  });
  return async () => {
    const { instanceId } = completed(await run(name), 2_000_010);
    const h = await client.getOrchestrationHistory(instanceId);
    assert.equal(h.filter((e) => e.type === "TaskCompleted").length, 10);
  };
});

test("large payloads: what is too large is refused by size, at each way in", (w) => {
  const name = w.orchestrator(async function* (ctx) { return yield ctx.waitForExternalEvent("e"); });
  const big = "x".repeat(2 << 20);
  const sizes = (e) => /\b2097\d{3}\b/.test(e.message);
  return async () => {
    await assert.rejects(client.scheduleNewOrchestration(name, big), (e) => [3, 8].includes(e.code) && sizes(e));
    const id = await client.scheduleNewOrchestration(name);
    await assert.rejects(client.raiseOrchestrationEvent(id, "e", big), (e) => [3, 8].includes(e.code) && sizes(e));
    await client.raiseOrchestrationEvent(id, "e", "small");
    completed(await ended(id), "small");
  };
});

test("large payloads: an activity whose result is too large fails, and says why", (w) => {
  const makes = w.activity(async () => "x".repeat(3 << 20));
  const name = w.orchestrator(async function* (ctx) {
    try { return (yield ctx.callActivity(makes)).length; } catch (e) { return e.details.message; }
  });
  return async () => assert.match(JSON.parse(completed(await run(name)).serializedOutput), /3145730/);
});

test("large payloads: a history that no worker can be sent fails its instance, and says both sizes", (w) => {
  const makes = w.activity(async () => "x".repeat(1_000_000));
  const name = w.orchestrator(async function* (ctx) { for (let i = 0; i < 6; i++) yield ctx.callActivity(makes); });
  return async () => {
    const s = await run(name);
    assert.equal(s.runtimeStatus, Status.FAILED, `output ${s.serializedOutput}`);
    assert.match(s.failureDetails.message, /\d{7}.*\d{7}/);
  };
});
