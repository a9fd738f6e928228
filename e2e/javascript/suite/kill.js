// The server is killed again and again while a worker and a client are at work: all
// that was started completes, and nothing has happened twice. Who kills it is asked
// over HTTP, and answers when the server is up again.
"use strict";
const { assert, client, completed, dt, grpc, newClient, newID, newWorker, runAll, sleep, test, until } = require("./harness");
const ID = dt.EntityInstanceId;

const orders = 24, steps = 4, transfers = 12, counters = 6, generations = 12;
// killAt are how many activities have begun when the server is killed.
const killAt = [6, 40, 80, 120];

const ledger = []; // each run of an activity: key, begin
const seen = new Map(); // results that a client has seen: key to when
const kills = []; // begin, end
let connected = 0;

// counted counts the streams of work. It looks at what the SDK sends, and changes nothing.
function counted(options, next) {
  if (options.method_definition.path.endsWith("/GetWorkItems")) connected++;
  return new grpc.InterceptingCall(next(options));
}

const worker = newWorker(undefined, { options: { interceptors: [counted] } });
worker.addNamedActivity("work", async (ctx, n) => {
  ledger.push({ key: `${ctx.orchestrationId}/${ctx.taskId}`, begin: performance.now() });
  await sleep(15);
  return n + 1;
});
worker.addNamedEntity("counter", () => ({ run(op) { const n = op.state.getState(0) + (op.name === "add" ? op.getInput() : 0); op.state.setState(n); return n; } }));
worker.addNamedOrchestrator("packing", async function* (ctx, n) { return yield ctx.callActivity("work", n); });
worker.addNamedOrchestrator("order", async function* (ctx, key) {
  let n = 0;
  for (let i = 0; i < steps; i++) {
    const both = yield dt.whenAll([ctx.callActivity("work", n), ctx.callSubOrchestrator("packing", i)]);
    n = both[0];
    ctx.entities.signalEntity(new ID("counter", key), "add", 1);
    yield ctx.createTimer(0.05);
    yield ctx.entities.callEntity(new ID("counter", key), "add", 10);
  }
  return [n, yield ctx.waitForExternalEvent("approved")];
});
worker.addNamedOrchestrator("transfer", async function* (ctx, [from, to]) {
  const a = new ID("counter", from), b = new ID("counter", to);
  const lock = yield ctx.entities.lockEntities(a, b);
  yield ctx.entities.callEntity(a, "add", -5);
  yield ctx.createTimer(0.1);
  yield ctx.entities.callEntity(b, "add", 5);
  lock.release();
});
worker.addNamedOrchestrator("generation", async function* (ctx, done) {
  done.push(yield ctx.callActivity("work", done.length));
  yield ctx.createTimer(0.02);
  if (done.length < generations) ctx.continueAsNew(done, true);
  return done;
});

// again repeats a call until the server answers. What was done already is done.
async function again(call) {
  for (;;) {
    try {
      return await call();
    } catch (e) {
      if (e.code === grpc.status.ALREADY_EXISTS) return undefined;
      if (![grpc.status.UNAVAILABLE, grpc.status.CANCELLED].includes(e.code)) throw e;
      await sleep(50);
    }
  }
}
const start = (name, input, instanceId) => again(() => client.scheduleNewOrchestration(name, input, { instanceId }));
const end = (id) => again(() => client.waitForOrchestrationCompletion(id, true, 200));

// look notes which results of activities are in the histories of these instances.
const look = (ids) => Promise.all(ids.map(async (id) => {
  for (const e of await again(() => client.getOrchestrationHistory(id))) {
    const key = `${id}/${e.taskScheduledId}`;
    if (e.type === "TaskCompleted" && !seen.has(key)) seen.set(key, performance.now());
  }
}));

async function kill() {
  const begin = performance.now();
  const answer = await fetch(process.env.NETHERITE_CONTROL, { method: "POST" });
  assert.equal(answer.status, 200, await answer.text());
  kills.push({ begin, end: performance.now() });
  console.log(`killed at ${Math.round(begin)} ms with ${ledger.length} activities begun, up again at ${Math.round(performance.now())} ms`);
}

// play runs everything once, with the kills.
async function play() {
  await worker.start();
  const prefix = newID();
  const ids = (kind, n) => Array.from({ length: n }, (_, i) => `${prefix}-${kind}-${i}`);
  const all = { order: ids("order", orders), transfer: ids("transfer", transfers), generation: ids("generation", counters) };
  const key = (i) => `${prefix}-${i % 3}`;
  const killer = (async () => {
    for (const n of killAt) {
      await until(() => ledger.length >= n, `${n} activities have begun`);
      await look(all.order.slice(0, 6));
      const streams = connected;
      await kill();
      await until(() => connected > streams, "the worker is back");
    }
  })();
  await Promise.all([
    ...all.order.map(async (id, i) => { await start("order", key(i), id); await again(() => client.raiseOrchestrationEvent(id, "approved", i)); }),
    ...all.transfer.map((id, i) => start("transfer", [key(i), key(i + 1 + (i % 2))], id)),
    ...all.generation.map((id) => start("generation", [], id)),
  ]);
  const states = {};
  for (const id of Object.values(all).flat()) states[id] = await end(id);
  await killer;
  console.log(`all is done at ${Math.round(performance.now())} ms`);
  return { all, states, key };
}

let playing;
const played = () => (playing ??= play());
const it = (name, check) => test(`kill: ${name}`, () => async () => check(await played()));

it("every orchestration completes with its result", ({ all, states }) => {
  assert.equal(kills.length, killAt.length);
  all.order.forEach((id, i) => completed(states[id], [steps, i]));
  all.transfer.forEach((id) => completed(states[id]));
  all.generation.forEach((id) => completed(states[id], Array.from({ length: generations }, (_, i) => i + 1)));
});

it("each activity, timer, child and call has one outcome in the history", async ({ all }) => {
  const pairs = { TaskScheduled: "TaskCompleted", TimerCreated: "TimerFired", SubOrchestrationInstanceCreated: "SubOrchestrationInstanceCompleted", EntityOperationCalled: "EntityOperationCompleted" };
  for (const id of [...all.order, ...all.transfer, ...all.generation]) {
    const history = await client.getOrchestrationHistory(id);
    for (const [asked, answered] of Object.entries(pairs)) {
      const name = (e) => e.requestId ?? e.taskScheduledId ?? e.timerId;
      const begun = history.filter((e) => e.type === asked).map((e) => e.requestId ?? e.eventId);
      assert.deepEqual(history.filter((e) => e.type === answered).map(name).sort(), begun.sort(), `${id}: ${asked}`);
    }
    assert.equal(history.filter((e) => e.type === "ExecutionCompleted").length, 1);
    assert.ok(!history.some((e) => e.type === "TaskFailed"), `${id} has a failure`);
  }
});

it("no activity runs again whose result a client has seen", () => {
  assert.ok(seen.size > 0);
  for (const { key, begin } of ledger) {
    assert.ok(begin < (seen.get(key) ?? Infinity), `${key} began ${begin - seen.get(key)} ms after its result was seen`);
  }
});

it("an activity runs twice only if the server was killed in between", () => {
  const before = new Map();
  let twice = 0;
  for (const { key, begin } of ledger.filter((l) => !l.key.includes("-generation-"))) {
    const first = before.get(key);
    if (first !== undefined) {
      twice++;
      assert.ok(kills.some((k) => k.begin <= begin && k.end >= first), `${key} ran at ${first} and at ${begin}, without a kill`);
    }
    before.set(key, begin);
  }
  console.log(`${twice} of ${ledger.length} runs were of activities that had run before`);
});

it("entities have done each operation once, and transfers have lost nothing", async ({ key }) => {
  const sum = orders * steps * 11;
  const balances = () => Promise.all([0, 1, 2].map(async (i) => (await again(() => client.getEntity(new ID("counter", key(i))))).state));
  await until(async () => (await balances()).reduce((a, b) => a + b) >= sum, "all signals are done");
  assert.equal((await balances()).reduce((a, b) => a + b), sum);
  const list = await Promise.all([0, 1, 2].map((i) => client.getEntity(new ID("counter", key(i)))));
  for (const e of list) assert.deepEqual([e.lockedBy, e.backlogQueueSize], [undefined, 0]);
});

it("the worker has come back by itself after each kill", () => {
  assert.ok(connected > kills.length, `${connected} streams of work for ${kills.length} kills`);
});

test("kill: a client that was made before all kills goes on, and so does one made after", () => async () => {
  await played();
  const late = newClient();
  for (const c of [client, late]) {
    const id = await c.scheduleNewOrchestration("packing", 1);
    completed(await c.waitForOrchestrationCompletion(id), 2);
  }
  await Promise.all([late.stop(), worker.stop()]);
}, { alone: true });

runAll({ shared: false });
