// What an orchestration waits for and starts: timers, events, children, new generations.
"use strict";
const { Status, assert, begun, client, completed, dt, ended, failed, inStatus, newID, run, sleep, test, until } = require("./harness");
const { whenAll, whenAny } = dt;

test("timers: a timer does not fire before its time", (w) => {
  const name = w.orchestrator(async function* (ctx) { yield ctx.createTimer(0.4); });
  return async () => {
    const state = completed(await run(name));
    assert.ok(state.lastUpdatedAt - state.createdAt >= 400, `${state.lastUpdatedAt - state.createdAt} ms`);
  };
});

test("timers: a timer may be set to a date", (w) => {
  const name = w.orchestrator(async function* (ctx) {
    const at = new Date(ctx.currentUtcDateTime.getTime() + 300);
    yield ctx.createTimer(at);
    return ctx.currentUtcDateTime >= at;
  });
  return async () => completed(await run(name), true);
});

test("timers: one in the past fires at once", (w) => {
  const name = w.orchestrator(async function* (ctx) { yield ctx.createTimer(new Date(0)); yield ctx.createTimer(0); return "done"; });
  return async () => completed(await run(name), "done");
});

test("timers: they fire in the order of their times", (w) => {
  const name = w.orchestrator(async function* (ctx) {
    const timers = { c: ctx.createTimer(0.5), a: ctx.createTimer(0.1), b: ctx.createTimer(0.3) };
    const order = [];
    while (Object.keys(timers).length > 0) {
      const winner = yield whenAny(Object.values(timers));
      const label = Object.keys(timers).find((k) => timers[k] === winner);
      order.push(label);
      delete timers[label];
    }
    return order;
  });
  return async () => completed(await run(name), ["a", "b", "c"]);
});

test("timers: one that lost a race can be cancelled, and holds nothing up", (w) => {
  const act = w.activity(async () => "done");
  const name = w.orchestrator(async function* (ctx) {
    const timeout = ctx.createTimer(3600), work = ctx.callActivity(act);
    const winner = yield whenAny([timeout, work]);
    timeout.cancel();
    return [winner === work, timeout.isCanceled, winner.getResult()];
  });
  return async () => completed(await run(name), [true, true, "done"]);
});

test("timers: work that takes too long loses against a timer", (w) => {
  const slow = w.activity(async () => { await sleep(1_500); });
  const name = w.orchestrator(async function* (ctx) {
    const timeout = ctx.createTimer(0.1);
    return (yield whenAny([ctx.callActivity(slow), timeout])) === timeout ? "too late" : "done";
  });
  return async () => completed(await run(name), "too late");
});

test("timers: an orchestration waits for one of a year, and can be terminated", (w) => {
  const name = w.orchestrator(async function* (ctx) { yield ctx.createTimer(365 * 24 * 3600); });
  return async () => {
    const id = await client.scheduleNewOrchestration(name);
    await begun(id);
    const created = await until(async () => (await client.getOrchestrationHistory(id)).find((e) => e.type === "TimerCreated"), "the timer is there");
    assert.ok(created.fireAt > Date.now() + 364 * 24 * 3600_000);
    await client.terminateOrchestration(id);
    assert.equal((await ended(id)).runtimeStatus, Status.TERMINATED);
  };
});

test("external events: several are waited for, and come before or after", (w) => {
  const name = w.orchestrator(async function* (ctx) { return [yield ctx.waitForExternalEvent("A"), yield ctx.waitForExternalEvent("B"), yield ctx.waitForExternalEvent("C")]; });
  return async () => {
    const id = await client.scheduleNewOrchestration(name);
    await client.raiseOrchestrationEvent(id, "C", "c");
    await client.raiseOrchestrationEvent(id, "A", "a");
    await begun(id);
    await client.raiseOrchestrationEvent(id, "B", "b");
    completed(await ended(id), ["a", "b", "c"]);
  };
});

test("external events: names are the same in upper and lower case", (w) => {
  const name = w.orchestrator(async function* (ctx) { return yield ctx.waitForExternalEvent("ApprovAL"); });
  return async () => {
    const id = await client.scheduleNewOrchestration(name);
    await client.raiseOrchestrationEvent(id, "aPPROVal", true);
    completed(await ended(id), true);
  };
});

test("external events: those of one name come in order", (w) => {
  const name = w.orchestrator(async function* (ctx) {
    const got = [];
    for (let i = 0; i < 20; i++) got.push(yield ctx.waitForExternalEvent("n"));
    return got;
  });
  return async () => {
    const id = await client.scheduleNewOrchestration(name);
    for (let i = 0; i < 20; i++) await client.raiseOrchestrationEvent(id, "n", i);
    completed(await ended(id), Array.from({ length: 20 }, (_, i) => i));
  };
});

test("external events: who waits for several of one name gets them in the order of asking", (w) => {
  const name = w.orchestrator(async function* (ctx) { return yield whenAll([1, 2, 3].map(() => ctx.waitForExternalEvent("e"))); });
  return async () => {
    const id = await client.scheduleNewOrchestration(name);
    await begun(id);
    for (const v of ["x", "y", "z"]) await client.raiseOrchestrationEvent(id, "e", v);
    completed(await ended(id), ["x", "y", "z"]);
  };
});

test("external events: the first of an event and a timer wins", (w) => {
  const name = w.orchestrator(async function* (ctx, seconds) {
    const event = ctx.waitForExternalEvent("approval"), timer = ctx.createTimer(seconds);
    return (yield whenAny([event, timer])) === event ? `approved by ${event.getResult()}` : "too late";
  });
  return async () => {
    const approved = await client.scheduleNewOrchestration(name, 3600), late = await client.scheduleNewOrchestration(name, 0.1);
    await client.raiseOrchestrationEvent(approved, "approval", "me");
    completed(await ended(approved), "approved by me");
    completed(await ended(late), "too late");
  };
});

test("external events: one for an instance that there is not is refused", () => async () => {
  await assert.rejects(client.raiseOrchestrationEvent(newID("none"), "e"), (e) => e.code === 5 && /none-/.test(e.message));
});

test("external events: one for an instance that has ended is dropped", (w) => {
  const name = w.orchestrator(async () => "done");
  return async () => {
    const { instanceId } = completed(await run(name));
    await client.raiseOrchestrationEvent(instanceId, "late", 1);
    completed(await client.getOrchestrationState(instanceId), "done");
    assert.ok(!(await client.getOrchestrationHistory(instanceId)).some((e) => e.type === "EventRaised"));
  };
});

for (const [label, data] of [["with data", { message: "from the sender" }], ["without data", undefined]]) {
  test(`external events: one orchestration sends another an event ${label}`, (w) => {
    const receiver = w.orchestrator(async function* (ctx) { const e = yield ctx.waitForExternalEvent("greeting"); return e ?? "nothing"; });
    const sender = w.orchestrator(async function* (ctx, to) { ctx.sendEvent(to, "greeting", data); yield ctx.createTimer(0.01); return "sent"; });
    return async () => {
      const to = await client.scheduleNewOrchestration(receiver);
      await begun(to);
      const from = completed(await run(sender, to), "sent");
      completed(await ended(to), data ?? "nothing");
      const sent = (await client.getOrchestrationHistory(from.instanceId)).find((e) => e.type === "EventSent");
      assert.equal(sent.instanceId, to);
      assert.equal(sent.name, "greeting");
    };
  });
}

test("external events: an event that is sent in the last step arrives", (w) => {
  const receiver = w.orchestrator(async function* (ctx) { return yield ctx.waitForExternalEvent("bye"); });
  const sender = w.orchestrator(async (ctx, to) => { ctx.sendEvent(to, "bye", 7); return "sent"; });
  return async () => {
    const to = await client.scheduleNewOrchestration(receiver);
    completed(await run(sender, to), "sent");
    completed(await ended(to), 7);
  };
});

test("sub-orchestrations: a child runs, and its result is the parent's", (w) => {
  let count = 0;
  const increment = w.activity(() => ++count);
  const child = w.orchestrator(async function* (ctx) { return yield ctx.callActivity(increment); });
  const parent = w.orchestrator(async function* (ctx) { return yield ctx.callSubOrchestrator(child); });
  return async () => completed(await run(parent), 1);
});

test("sub-orchestrations: a child knows its parent, and a parent that it has none", (w) => {
  const child = w.orchestrator(async (ctx) => ({ name: ctx.parent.name, id: ctx.parent.instanceId, task: ctx.parent.taskScheduledId, own: ctx.instanceId }));
  const parent = w.orchestrator(async function* (ctx) { return { none: ctx.parent === undefined, child: yield ctx.callSubOrchestrator(child) }; });
  return async () => {
    const state = completed(await run(parent));
    const { none, child: c } = JSON.parse(state.serializedOutput);
    assert.deepEqual([none, c.name, c.id, typeof c.task], [true, parent, state.instanceId, "number"]);
    const created = (await client.getOrchestrationHistory(state.instanceId)).find((e) => e.type === "SubOrchestrationInstanceCreated");
    assert.equal(created.instanceId, c.own);
    assert.equal(created.eventId, c.task);
  };
});

// The IDs that the SDK makes for children need an execution ID of 32 hex digits.
test("sub-orchestrations: the IDs of children come from the execution, and differ", (w) => {
  const child = w.orchestrator(async (ctx) => ctx.instanceId);
  const parent = w.orchestrator(async function* (ctx) { return yield whenAll([ctx.callSubOrchestrator(child), ctx.callSubOrchestrator(child)]); });
  return async () => {
    const state = completed(await run(parent));
    const [a, b] = JSON.parse(state.serializedOutput);
    const started = (await client.getOrchestrationHistory(state.instanceId)).find((e) => e.type === "ExecutionStarted");
    assert.match(started.orchestrationInstance.executionId, /^[0-9a-f]{32}$/);
    for (const id of [a, b]) assert.match(id, new RegExp(`^${started.orchestrationInstance.executionId}:[0-9a-f]{4}$`));
    assert.notEqual(a, b);
  };
});

test("sub-orchestrations: a child may have an ID of the caller's", (w) => {
  const child = w.orchestrator(async (ctx) => ctx.instanceId);
  const parent = w.orchestrator(async function* (ctx, id) { return yield ctx.callSubOrchestrator(child, undefined, { instanceId: id }); });
  return async () => {
    const id = newID("child");
    completed(await run(parent, id), id);
    completed(await client.getOrchestrationState(id), id);
  };
});

test("sub-orchestrations: many children run at once", (w) => {
  const child = w.orchestrator(async (_, n) => n * 2);
  const parent = w.orchestrator(async function* (ctx) {
    const all = yield whenAll(Array.from({ length: 50 }, (_, n) => ctx.callSubOrchestrator(child, n)));
    return all.reduce((a, b) => a + b);
  });
  return async () => completed(await run(parent), 2450);
});

test("sub-orchestrations: children have children", (w) => {
  const name = w.orchestrator(async function* (ctx, depth) { return depth === 0 ? 1 : 1 + (yield ctx.callSubOrchestrator(name, depth - 1)); });
  return async () => completed(await run(name, 8), 9);
});

test("sub-orchestrations: the failure of a child can be caught", (w) => {
  const child = w.orchestrator(async () => { throw new RangeError("child is out of range"); });
  const parent = w.orchestrator(async function* (ctx) {
    try { yield ctx.callSubOrchestrator(child); } catch (e) { return [e.details.errorType, e.details.message]; }
  });
  return async () => completed(await run(parent), ["RangeError", "child is out of range"]);
});

test("sub-orchestrations: the failure of a child that is not caught is the parent's", (w) => {
  const child = w.orchestrator(async () => { throw new Error("child failure"); });
  const parent = w.orchestrator(async function* (ctx) { yield ctx.callSubOrchestrator(child); });
  return async () => failed(await run(parent), /child failure/);
});

test("sub-orchestrations: a child that is terminated fails for its parent", (w) => {
  const child = w.orchestrator(async function* (ctx) { yield ctx.waitForExternalEvent("never"); });
  const parent = w.orchestrator(async function* (ctx, id) {
    try { yield ctx.callSubOrchestrator(child, undefined, { instanceId: id }); } catch (e) { return e.constructor.name; }
  });
  return async () => {
    const id = newID("child");
    const up = await client.scheduleNewOrchestration(parent, id);
    await inStatus(id, Status.RUNNING);
    await client.terminateOrchestration(id, "enough");
    completed(await ended(up), "TaskFailedError");
  };
});

test("sub-orchestrations: one under the ID of a live instance fails", (w) => {
  const live = w.orchestrator(async function* (ctx) { return yield ctx.waitForExternalEvent("end"); });
  const parent = w.orchestrator(async function* (ctx, id) {
    try { return yield ctx.callSubOrchestrator(live, undefined, { instanceId: id }); } catch (e) { return e.constructor.name; }
  });
  return async () => {
    const id = newID("live");
    await client.scheduleNewOrchestration(live, undefined, id);
    await begun(id);
    completed(await run(parent, id), "TaskFailedError");
    await client.raiseOrchestrationEvent(id, "end", "still itself");
    completed(await ended(id), "still itself");
  };
});

test("continue-as-new: ten generations, one after the other", (w) => {
  const executions = new Set();
  const name = w.orchestrator(async (ctx, n) => { if (n < 10) ctx.continueAsNew(n + 1, true); else return n; });
  return async () => {
    const state = completed(await run(name, 1), 10);
    assert.equal(state.serializedInput, "10");
    const history = await client.getOrchestrationHistory(state.instanceId);
    assert.equal(history.filter((e) => e.type === "ExecutionStarted").length, 1, "the history is that of the last generation");
    executions.add(history.find((e) => e.type === "ExecutionStarted").orchestrationInstance.executionId);
  };
});

test("continue-as-new: each generation works and waits", (w) => {
  const next = w.activity(async (_, n) => n + 1);
  const name = w.orchestrator(async function* (ctx, n) {
    const m = yield ctx.callActivity(next, n);
    yield ctx.createTimer(0.01);
    if (m < 5) ctx.continueAsNew(m, false);
    return m;
  });
  return async () => completed(await run(name, 0), 5);
});

test("continue-as-new: events that nobody took go with it, if they are to", (w) => {
  const name = w.orchestrator(async function* (ctx, got) {
    got.push(yield ctx.waitForExternalEvent("e"));
    if (got.length < 4) ctx.continueAsNew(got, true);
    return got;
  });
  return async () => {
    const id = await client.scheduleNewOrchestration(name, []);
    for (const v of [1, 2, 3, 4]) await client.raiseOrchestrationEvent(id, "e", v);
    completed(await ended(id), [1, 2, 3, 4]);
  };
});

test("continue-as-new: events that come later reach the new generation", (w) => {
  const name = w.orchestrator(async function* (ctx, generation) {
    if (generation === 0) { ctx.continueAsNew(1, false); return; }
    return yield ctx.waitForExternalEvent("late");
  });
  return async () => {
    const id = await client.scheduleNewOrchestration(name, 0);
    await until(async () => (await client.getOrchestrationState(id)).serializedInput === "1", "the second generation is there");
    await client.raiseOrchestrationEvent(id, "late", "here");
    completed(await ended(id), "here");
  };
});

test("continue-as-new: forty generations without a wait", (w) => {
  const name = w.orchestrator(async (ctx, n) => { if (n < 40) ctx.continueAsNew(n + 1, false); else return n; });
  return async () => completed(await run(name, 0), 40);
});

test("continue-as-new: the children of each generation have IDs of their own", (w) => {
  const child = w.orchestrator(async (ctx) => ctx.instanceId);
  const name = w.orchestrator(async function* (ctx, ids) {
    ids.push(yield ctx.callSubOrchestrator(child));
    if (ids.length < 3) ctx.continueAsNew(ids, false);
    return ids;
  });
  return async () => assert.equal(new Set(JSON.parse(completed(await run(name, [])).serializedOutput)).size, 3);
});

test("continue-as-new: a child may continue, and answers its parent in the end", (w) => {
  const child = w.orchestrator(async (ctx, n) => { if (n < 3) ctx.continueAsNew(n + 1, false); else return `generation ${n}`; });
  const parent = w.orchestrator(async function* (ctx) { return yield ctx.callSubOrchestrator(child, 0); });
  return async () => completed(await run(parent), "generation 3");
});

test("continue-as-new: name, version, tags and time of creation stay", (w) => {
  const name = w.orchestrator(async (ctx, n) => { if (n < 2) ctx.continueAsNew(n + 1, false); else return ctx.version; });
  return async () => {
    const before = new Date(Date.now() - 1000);
    const state = completed(await run(name, 0, { version: "1.2.0", tags: { team: "blue" } }), "1.2.0");
    assert.deepEqual(state.tags, { team: "blue" });
    assert.ok(state.createdAt > before && state.createdAt <= state.lastUpdatedAt);
  };
});
