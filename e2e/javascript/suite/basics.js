// Orchestrations and activities: order, parallel work, failures, values, what replays.
"use strict";
const { Status, assert, client, completed, dt, failed, run, sleep, test } = require("./harness");
const { whenAll, whenAny } = dt;

test("hello: an orchestration without anything completes", (w) => {
  let invoked = 0;
  const name = w.orchestrator(async () => { invoked++; });
  return async () => {
    const state = completed(await run(name));
    assert.equal(state.name, name);
    assert.ok(state.createdAt instanceof Date && state.lastUpdatedAt >= state.createdAt);
    assert.equal(invoked, 1);
  };
});

test("hello: an orchestration without activities has its input and output", (w) => {
  const name = w.orchestrator(async (_, n) => n + 1);
  return async () => {
    const state = completed(await run(name, 15), 16);
    assert.equal(state.serializedInput, "15");
  };
});

test("sequence: ten activities run one after the other", (w) => {
  const plusOne = w.activity(async (_, n) => n + 1);
  const name = w.orchestrator(async function* (ctx, start) {
    const numbers = [start];
    for (let i = 0; i < 10; i++) {
      numbers.push(yield ctx.callActivity(plusOne, numbers.at(-1)));
    }
    return numbers;
  });
  return async () => completed(await run(name, 1), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

test("sequence: activities are called by their functions, as the SDK registers them", (w) => {
  // The names are those of the functions, so they must be the only ones of the suite.
  async function greetByFunction(_, name) { return `Hello, ${name}!`; }
  async function* greetingsByFunction(ctx) { return [yield ctx.callActivity(greetByFunction, "Tokyo"), yield ctx.callActivity(greetByFunction, "London")]; }
  const { worker } = require("./harness");
  worker.addActivity(greetByFunction);
  worker.addOrchestrator(greetingsByFunction);
  return async () => {
    const state = completed(await run(greetingsByFunction), ["Hello, Tokyo!", "Hello, London!"]);
    assert.equal(state.name, dt.getName(greetingsByFunction));
  };
});

test("sequence: an activity knows the orchestration and its task", (w) => {
  const who = w.activity(async (ctx) => ({ id: ctx.orchestrationId, task: ctx.taskId }));
  const name = w.orchestrator(async function* (ctx) { return [ctx.instanceId, yield ctx.callActivity(who), yield ctx.callActivity(who)]; });
  return async () => {
    const state = completed(await run(name));
    const [id, first, second] = JSON.parse(state.serializedOutput);
    assert.equal(id, state.instanceId);
    assert.equal(first.id, id);
    assert.ok(second.task > first.task && first.task >= 1);
  };
});

test("sequence: the time of an orchestration does not move between two steps", (w) => {
  const pause = w.activity(async () => { await sleep(20); });
  const name = w.orchestrator(async function* (ctx) {
    const times = [ctx.currentUtcDateTime.getTime(), ctx.currentUtcDateTime.getTime()];
    yield ctx.callActivity(pause);
    times.push(ctx.currentUtcDateTime.getTime());
    return times;
  });
  return async () => {
    const [a, b, c] = JSON.parse(completed(await run(name)).serializedOutput);
    assert.equal(a, b);
    assert.ok(c >= a + 15, `${c - a} ms after an activity of 20`);
    assert.ok(Math.abs(Date.now() - c) < 60_000);
  };
});

test("sequence: twenty steps are replayed each time", (w) => {
  const next = w.activity(async (_, n) => n + 1);
  const name = w.orchestrator(async function* (ctx) {
    let n = 0;
    for (let i = 0; i < 20; i++) n = yield ctx.callActivity(next, n);
    return n;
  });
  return async () => completed(await run(name), 20);
});

test("fan-out: ten activities run at once, and all are waited for", (w) => {
  let count = 0;
  const increment = w.activity(() => { count++; });
  const name = w.orchestrator(async function* (ctx, n) {
    yield whenAll(Array.from({ length: n }, () => ctx.callActivity(increment)));
  });
  return async () => {
    completed(await run(name, 10));
    assert.equal(count, 10);
  };
});

test("fan-out: the results are in the order of the calls", (w) => {
  const slowFirst = w.activity(async (_, n) => { await sleep(60 - 20 * n); return n; });
  const name = w.orchestrator(async function* (ctx) { return yield whenAll([0, 1, 2].map((n) => ctx.callActivity(slowFirst, n))); });
  return async () => completed(await run(name), [0, 1, 2]);
});

test("fan-out: two hundred activities", (w) => {
  const square = w.activity(async (_, n) => n * n);
  const name = w.orchestrator(async function* (ctx) {
    const squares = yield whenAll(Array.from({ length: 200 }, (_, n) => ctx.callActivity(square, n)));
    return squares.reduce((a, b) => a + b);
  });
  return async () => completed(await run(name), 2646700);
});

test("fan-out: nothing is waited for if there is nothing", (w) => {
  const name = w.orchestrator(async function* () { return yield whenAll([]); });
  return async () => completed(await run(name), []);
});

test("fan-out: the first of several wins", (w) => {
  let end; // of the slow one, which has to take longer on any machine
  const over = new Promise((resolve) => { end = resolve; });
  const slowly = w.activity(async () => { await over; return 2; }), quickly = w.activity(() => 1);
  const name = w.orchestrator(async function* (ctx) {
    const slow = ctx.callActivity(slowly), fast = ctx.callActivity(quickly);
    const winner = yield whenAny([slow, fast]);
    return [winner === fast, winner.getResult()];
  });
  return async () => {
    try { completed(await run(name), [true, 1]); } finally { end(); }
  };
});

test("fan-out: what comes later than a caught failure changes nothing", (w) => {
  let slow = 0;
  const fails = w.activity(async () => { throw new Error("fails at once"); });
  const lasts = w.activity(async () => { slow++; await sleep(300); });
  const name = w.orchestrator(async function* (ctx) {
    try {
      yield whenAll([ctx.callActivity(fails), ctx.callActivity(lasts), ctx.callActivity(lasts)]);
    } catch {
      return "handled";
    }
  });
  return async () => {
    const state = completed(await run(name), "handled");
    await sleep(500);
    completed(await client.getOrchestrationState(state.instanceId), "handled");
    assert.equal(slow, 2);
  };
});

test("fan-out: the failure that nobody caught is the orchestration's", (w) => {
  const fails = w.activity(async () => { throw new Error("this one is the first"); });
  const lasts = w.activity(async () => { await sleep(200); });
  const name = w.orchestrator(async function* (ctx) { yield whenAll([ctx.callActivity(fails), ctx.callActivity(lasts)]); });
  return async () => {
    const state = failed(await run(name), /this one is the first/);
    assert.doesNotMatch(state.failureDetails.message, /already completed/);
  };
});

test("fan-out: the last of all may be the one that fails", (w) => {
  const fine = w.activity(async () => {});
  const fails = w.activity(async () => { await sleep(200); throw new Error("slow failure"); });
  const name = w.orchestrator(async function* (ctx) { yield whenAll([ctx.callActivity(fine), ctx.callActivity(fine), ctx.callActivity(fails)]); });
  return async () => failed(await run(name), /slow failure/);
});

test("failure details: what an activity throws reaches the orchestration with type, message and stack", (w) => {
  class PaymentError extends Error { constructor(m) { super(m); this.name = "PaymentError"; } }
  const fails = w.activity(async () => { throw new PaymentError("the card is blocked"); });
  const name = w.orchestrator(async function* (ctx) {
    try {
      yield ctx.callActivity(fails);
    } catch (e) {
      return { task: e instanceof dt.TaskFailedError, type: e.details.errorType, message: e.details.message, stack: typeof e.details.stackTrace };
    }
  });
  return async () => completed(await run(name), { task: true, type: "PaymentError", message: "the card is blocked", stack: "string" });
});

test("failure details: an orchestration that throws has failure details and no output", (w) => {
  const name = w.orchestrator(async () => { throw new TypeError("it is not a number"); });
  return async () => {
    const state = failed(await run(name), /it is not a number/);
    assert.equal(state.failureDetails.errorType, "TypeError");
    assert.ok(state.failureDetails.stackTrace.includes("basics.js"));
    assert.throws(() => state.raiseIfFailed(), /it is not a number/);
  };
});

test("workers: an orchestration that no worker knows fails by name", () => async () => {
  failed(await run("thereIsNoSuchOrchestrator"), /thereIsNoSuchOrchestrator/);
});

test("workers: an activity that no worker knows fails its call by name", (w) => {
  const name = w.orchestrator(async function* (ctx) { yield ctx.callActivity("thereIsNoSuchActivity"); });
  return async () => failed(await run(name), /thereIsNoSuchActivity/);
});

test("HTTP calls: a server that makes none says what to set", (w) => {
  const calls = w.orchestrator(async function* (ctx) {
    return yield ctx.callActivity("BuiltIn::HttpActivity", { method: "GET", uri: "https://example.com" });
  });
  return async () => assert.match((await run(calls)).failureDetails.message, /calls\.hosts/);
});

test("failure details: a failure is compensated", (w) => {
  const done = [];
  const act = w.activity(async (_, what) => { if (what === "car") throw new Error("no cars"); done.push(what); });
  const name = w.orchestrator(async function* (ctx) {
    try {
      yield ctx.callActivity(act, "flight");
      yield ctx.callActivity(act, "car");
    } catch {
      yield ctx.callActivity(act, "cancel flight");
      return "compensated";
    }
  });
  return async () => {
    completed(await run(name), "compensated");
    assert.deepEqual(done, ["flight", "cancel flight"]);
  };
});

test("determinism: code that does not do what it did before fails the orchestration", (w) => {
  let episodes = 0;
  const a = w.activity(async () => 1), b = w.activity(async () => 2);
  const name = w.orchestrator(async function* (ctx) {
    yield ctx.callActivity(++episodes === 1 ? a : b);
    yield ctx.callActivity(a);
  });
  return async () => failed(await run(name), /determinis/i);
});

// Each value goes through an activity, a sub-orchestration, an event and a status.
const values = { zero: 0, "an empty text": "", false: false, null: null, "an empty list": [], "an empty object": {}, text: "Ünï ☃ 𝄞 \u0000 \"quoted\"", number: 1e21, nested: { a: [{ b: null }, [1.5, -0.25]], c: { d: "e" } } };
for (const [label, value] of Object.entries(values)) {
  test(`values: ${label} goes through an activity`, (w) => {
    const echo = w.activity(async (_, v) => v);
    const name = w.orchestrator(async function* (ctx, v) { return yield ctx.callActivity(echo, v); });
    return async () => {
      const state = completed(await run(name, value), value);
      assert.deepEqual(JSON.parse(state.serializedInput), value);
    };
  });
  test(`values: ${label} goes through a sub-orchestration, an event and a status`, (w) => {
    const child = w.orchestrator(async (_, v) => v);
    const name = w.orchestrator(async function* (ctx, v) {
      const fromChild = yield ctx.callSubOrchestrator(child, v);
      const fromEvent = yield ctx.waitForExternalEvent("value");
      ctx.setCustomStatus(fromEvent);
      return [fromChild, fromEvent];
    });
    return async () => {
      const id = await client.scheduleNewOrchestration(name, value);
      await client.raiseOrchestrationEvent(id, "value", value);
      const state = completed(await client.waitForOrchestrationCompletion(id, true, 200), [value, value]);
      if (value === null) {
        assert.equal(state.serializedCustomStatus, undefined, "for the SDK null is no status");
      } else {
        assert.deepEqual(JSON.parse(state.serializedCustomStatus), value);
      }
    };
  });
}

for (const [label, value] of Object.entries(values)) {
  test(`values: ${label} is the input of a new generation, and its output`, (w) => {
    const name = w.orchestrator(async (ctx, v) => { if (v === "begin") ctx.continueAsNew(value, false); else return v; });
    return async () => {
      const state = completed(await run(name, "begin"), value);
      assert.deepEqual(JSON.parse(state.serializedInput), value);
    };
  });
}

test("values: nothing is nothing", (w) => {
  const nothing = w.activity(async () => {});
  const name = w.orchestrator(async function* (ctx, input) {
    const result = yield ctx.callActivity(nothing);
    return { input: input === undefined, result: result === undefined };
  });
  return async () => {
    const state = completed(await run(name), { input: true, result: true });
    assert.ok(!state.serializedInput, `input ${state.serializedInput}`);
  };
});

const v5 = /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
test("determinism: unique IDs: those of an orchestration differ, and are the same in each replay", (w) => {
  const seen = [];
  const echo = w.activity(async (_, v) => v);
  const name = w.orchestrator(async function* (ctx) {
    const first = ctx.newGuid(), second = ctx.newGuid();
    seen.push(first);
    const echoed = yield ctx.callActivity(echo, first);
    yield ctx.createTimer(0.05);
    return [first, second, ctx.newGuid(), echoed];
  });
  return async () => {
    const [first, second, third, echoed] = JSON.parse(completed(await run(name)).serializedOutput);
    assert.equal(new Set([first, second, third]).size, 3);
    for (const id of [first, second, third]) assert.match(id, v5);
    assert.equal(echoed, first);
    assert.equal(new Set(seen).size, 1, "each replay has the same");
    assert.ok(seen.length >= 3, "it was replayed");
  };
});

test("determinism: unique IDs: those of two instances differ", (w) => {
  const name = w.orchestrator(async (ctx) => [ctx.newGuid(), ctx.newGuid()]);
  return async () => {
    const both = await Promise.all([run(name), run(name)]);
    assert.equal(new Set(both.flatMap((s) => JSON.parse(s.serializedOutput))).size, 4);
  };
});

test("custom status: it is seen while the orchestration runs, and the last one stays", (w) => {
  const name = w.orchestrator(async function* (ctx) {
    ctx.setCustomStatus("waiting");
    yield ctx.waitForExternalEvent("go");
    ctx.setCustomStatus({ step: 2 });
    return "done";
  });
  return async () => {
    const { until } = require("./harness");
    const id = await client.scheduleNewOrchestration(name);
    const state = await until(async () => {
      const s = await client.getOrchestrationState(id);
      return s.serializedCustomStatus === '"waiting"' && s;
    }, "the status is seen");
    assert.equal(Status[state.runtimeStatus], "RUNNING");
    await client.raiseOrchestrationEvent(id, "go");
    const end = completed(await client.waitForOrchestrationCompletion(id), "done");
    assert.deepEqual(JSON.parse(end.serializedCustomStatus), { step: 2 });
  };
});

test("custom status: an empty text is a status", (w) => {
  const name = w.orchestrator(async function* (ctx) {
    ctx.setCustomStatus("first");
    yield ctx.createTimer(0.05);
    ctx.setCustomStatus("");
  });
  return async () => assert.equal(completed(await run(name)).serializedCustomStatus, '""');
});

test("custom status: it is not sent to who does not want payloads", (w) => {
  const name = w.orchestrator(async (ctx, v) => { ctx.setCustomStatus("secret"); return v; });
  return async () => {
    const { instanceId } = completed(await run(name, "secret"));
    const state = await client.getOrchestrationState(instanceId, false);
    for (const field of ["serializedInput", "serializedOutput", "serializedCustomStatus"]) assert.ok(!state[field], field);
  };
});

test("determinism: the logger: each line is written once", (w) => {
  const lines = [];
  const log = { error: (m) => lines.push(`error ${m}`), warn: (m) => lines.push(`warn ${m}`), info: (m) => lines.push(`info ${m}`), debug: (m) => lines.push(`debug ${m}`) };
  const nothing = w.activity(async () => {});
  let replays = 0;
  const name = w.orchestrator(async function* (ctx) {
    const safe = ctx.createReplaySafeLogger(log);
    if (ctx.isReplaying) replays++;
    safe.info("begin");
    yield ctx.createTimer(0.05);
    safe.warn("middle");
    yield ctx.callActivity(nothing);
    safe.error("end");
    safe.debug("end");
  });
  return async () => {
    completed(await run(name));
    assert.deepEqual(lines, ["info begin", "warn middle", "error end", "debug end"]);
    assert.ok(replays >= 2, `it was replayed ${replays} times`);
  };
});
