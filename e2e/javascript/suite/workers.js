// Workers: versions, filters, several at once, one that goes and one that comes back.
"use strict";
const { Status, assert, completed, dt, ended, failed, metadataOf, newClient, newID, newWorker, once, run, sleep, test, until } = require("./harness");
const { fork } = require("node:child_process");
const path = require("node:path");
const protocol = require("@microsoft/durabletask-js/dist/proto/orchestrator_service_pb");
const { VersionFailureStrategy: OnMismatch, VersionMatchStrategy: Match } = dt;

// within runs fn with workers of a task hub of their own, and stops them.
async function within(hub, workers, fn) {
  const own = newClient(hub);
  for (const w of workers) await w.start();
  try {
    return await fn(own);
  } finally {
    await Promise.all([...workers.map((w) => w.stop().catch(() => {})), own.stop()]);
  }
}
const make = (hub, options, orchestrators = {}, activities = {}) => {
  const worker = newWorker(hub, options);
  for (const [name, fn] of Object.entries(orchestrators)) worker.addNamedOrchestrator(name, fn);
  for (const [name, fn] of Object.entries(activities)) worker.addNamedActivity(name, fn);
  return worker;
};

test("versions: an orchestration knows its version, and has none if none was given", (w) => {
  const name = w.orchestrator(async (ctx) => [ctx.version, ctx.compareVersionTo("1.0.0"), ctx.compareVersionTo("1.10.0")].map((v) => (typeof v === "number" ? Math.sign(v) : v)));
  return async () => {
    completed(await run(name, undefined, { version: "1.2.0" }), ["1.2.0", 1, -1]);
    completed(await run(name), ["", -1, -1]);
  };
});

test("versions: the client's default is used, and activities and children have their own", (w) => {
  const child = w.orchestrator(async (ctx) => ctx.version);
  const act = w.activity(async () => 1);
  const name = w.orchestrator(async function* (ctx) {
    yield ctx.callActivity(act, undefined, { version: "0.9" });
    return [ctx.version, yield ctx.callSubOrchestrator(child, undefined, { version: "7.1" }), yield ctx.callSubOrchestrator(child)];
  });
  return async () => {
    const own = newClient(undefined, { defaultVersion: "3.0" });
    const state = completed(await run(name, undefined, undefined, own), ["3.0", "7.1", ""]);
    const h = await own.getOrchestrationHistory(state.instanceId);
    assert.equal(h.find((e) => e.type === "TaskScheduled").version, "0.9");
    assert.deepEqual(h.filter((e) => e.type === "SubOrchestrationInstanceCreated").map((e) => e.version ?? ""), ["7.1", ""]);
    assert.equal(h.find((e) => e.type === "ExecutionStarted").version, "3.0");
    await own.stop();
  };
});

const matches = [
  ["none takes any", "1.0.0", Match.None, "2.0.0", true],
  ["strict takes its own", "1.0.0", Match.Strict, "1.0.0", true],
  ["strict takes no other", "1.0.0", Match.Strict, "2.0.0", false],
  ["strict takes none without a version", "1.0.0", Match.Strict, undefined, false],
  ["current-or-older takes an older one", "2.0.0", Match.CurrentOrOlder, "1.9.9", true],
  ["current-or-older takes the same", "2.0.0", Match.CurrentOrOlder, "2.0.0", true],
  ["current-or-older takes one without a version", "2.0.0", Match.CurrentOrOlder, undefined, true],
  ["current-or-older takes no newer one", "1.0.0", Match.CurrentOrOlder, "1.0.1", false],
];
test("versions: a worker takes what its strategy says, and fails the rest", () => async () => {
  await Promise.all(matches.map(([label, version, matchStrategy, wanted, taken], i) => {
    const hub = `versions${i % 3}`, name = `versioned${i}`;
    const filters = { orchestrations: [{ name }] };
    const worker = make(hub, { versioning: { version, matchStrategy, failureStrategy: OnMismatch.Fail }, workItemFilters: filters }, { [name]: async (ctx) => ctx.version });
    return within(hub, [worker], async (own) => {
      const state = await run(name, undefined, { version: wanted }, own);
      if (taken) completed(state, wanted ?? "");
      else failed(state, /version/i);
      if (!taken) assert.equal(state.failureDetails.errorType, "VersionMismatch", label);
    });
  }));
});

test("versions: what one worker rejects another one takes", () => async () => {
  const hub = "versions-reject", versioning = { matchStrategy: Match.Strict, failureStrategy: OnMismatch.Reject };
  const of = (version) => make(hub, { versioning: { ...versioning, version } }, { both: async (ctx) => `${version} ran ${ctx.version}` });
  await within(hub, [of("1.0.0"), of("2.0.0")], async (own) => {
    const states = await Promise.all(["1.0.0", "2.0.0", "2.0.0", "1.0.0"].map((version) => run("both", undefined, { version }, own)));
    states.forEach((s) => completed(s, s.serializedOutput.includes("1.0.0") ? "1.0.0 ran 1.0.0" : "2.0.0 ran 2.0.0"));
  });
});

test("versions: what no worker takes stays pending, and runs once one does", () => async () => {
  const hub = "versions-late", versioning = { matchStrategy: Match.Strict, failureStrategy: OnMismatch.Reject };
  const of = (version) => make(hub, { versioning: { ...versioning, version } }, { late: async (ctx) => ctx.version });
  const second = of("2.0.0");
  await within(hub, [of("1.0.0")], async (own) => {
    const id = await own.scheduleNewOrchestration("late", undefined, { version: "2.0.0" });
    await sleep(700);
    assert.notEqual((await own.getOrchestrationState(id)).runtimeStatus, Status.COMPLETED);
    await second.start();
    completed(await ended(id, own), "2.0.0");
    await second.stop();
  });
});

test("work item filters: a worker with filters of its registry gets only what it knows", () => async () => {
  const hub = "filters-auto";
  const known = make(hub, { workItemFilters: "auto" }, { known: async function* (ctx) { return yield ctx.callActivity("knownActivity", 1); } }, { knownActivity: async (_, n) => n + 1 });
  const other = make(hub, { workItemFilters: "auto" }, { unknown: async () => "the other one" });
  await within(hub, [known], async (own) => {
    const waiting = await own.scheduleNewOrchestration("unknown");
    completed(await run("known", undefined, undefined, own), 2);
    assert.equal((await own.getOrchestrationState(waiting)).runtimeStatus, Status.PENDING);
    await other.start();
    completed(await ended(waiting, own), "the other one");
    await other.stop();
  });
});

test("work item filters: names and versions that are listed, and no others", () => async () => {
  const hub = "filters-listed";
  const greet = { greetOrch: async function* (ctx, n) { return yield ctx.callActivity("greet", n, { version: "3.0.0" }); }, registeredOnly: async () => "no" };
  const worker = make(hub, { workItemFilters: { orchestrations: [{ name: "greetOrch", versions: ["3.0.0"] }], activities: [{ name: "greet", versions: ["3.0.0"] }] } }, greet, { greet: async (_, n) => `Hello, ${n}` });
  await within(hub, [worker], async (own) => {
    const others = [
      await own.scheduleNewOrchestration("greetOrch", "x", { version: "9.9.9" }),
      await own.scheduleNewOrchestration("greetOrch", "x"),
      await own.scheduleNewOrchestration("registeredOnly"),
    ];
    completed(await run("greetOrch", "you", { version: "3.0.0" }, own), "Hello, you");
    await sleep(300);
    for (const id of others) assert.equal((await own.getOrchestrationState(id)).runtimeStatus, Status.PENDING);
  });
});

test("work item filters: orchestrations here, activities and entities there", () => async () => {
  const hub = "filters-split";
  const brain = make(hub, { workItemFilters: { orchestrations: [{ name: "plan" }] } }, {
    plan: async function* (ctx) { return [yield ctx.callActivity("work", 20), yield ctx.entities.callEntity(new dt.EntityInstanceId("Count", "1"), "add", 5)]; },
  }, { work: async () => "the wrong worker" });
  const hands = make(hub, { workItemFilters: { activities: [{ name: "work" }] } }, {}, { work: async (_, n) => n * 2 });
  const memory = newWorker(hub, { workItemFilters: { entities: [{ name: "Count" }] } });
  memory.addNamedEntity("Count", () => ({ run: (op) => { const n = op.state.getState(0) + op.getInput(); op.state.setState(n); return n; } }));
  await within(hub, [brain, hands, memory], async (own) => completed(await run("plan", undefined, undefined, own), [40, 5]));
});

test("work item filters: without any a worker gets everything", () => async () => {
  const hub = "filters-none";
  await within(hub, [make(hub, {}, { o: async function* (ctx) { return yield ctx.callActivity("a", 1); } }, { a: async (_, n) => n })], async (own) => {
    completed(await run("o", undefined, undefined, own), 1);
  });
});

test("workers: two share the work", () => async () => {
  const hub = "two-workers", counts = [0, 0];
  const one = (i) => make(hub, {}, { fan: async function* (ctx) { return (yield dt.whenAll(Array.from({ length: 40 }, () => ctx.callActivity("slow")))).length; } }, { slow: async () => { counts[i]++; await sleep(15); } });
  await within(hub, [one(0), one(1)], async (own) => {
    const states = await Promise.all([1, 2, 3].map(() => run("fan", undefined, undefined, own)));
    for (const s of states) completed(s, 40);
    assert.equal(counts[0] + counts[1], 120, "each activity ran once");
    assert.ok(counts[0] > 0 && counts[1] > 0, `one has all: ${counts}`);
  });
});

test("workers: what a worker had when it went is given to the next one", () => async () => {
  const hub = "worker-goes";
  let hung = 0;
  const first = make(hub, { shutdownTimeoutMs: 1 }, { o: async function* (ctx) { return yield ctx.callActivity("a"); } }, { a: () => { hung++; return new Promise(() => {}); } });
  const second = make(hub, {}, { o: async function* (ctx) { return yield ctx.callActivity("a"); } }, { a: async () => "by the second" });
  await within(hub, [first], async (own) => {
    const id = await own.scheduleNewOrchestration("o");
    await until(() => hung === 1, "the first worker has the activity");
    await first.stop();
    await second.start();
    completed(await ended(id, own), "by the second");
    await second.stop();
  });
});

test("workers: what a worker had that was killed is given to the next one at once", () => async () => {
  const hub = "worker-killed";
  const victim = fork(path.join(__dirname, "victim.js"), [hub], { env: { ...process.env, NETHERITE_ONCE: once } });
  const taken = new Promise((resolve) => { victim.once("message", resolve); });
  const next = make(hub, {}, { o: async function* (ctx) { return yield ctx.callActivity("a"); } }, { a: async () => "by the next" });
  await within(hub, [], async (own) => {
    const id = await own.scheduleNewOrchestration("o");
    await taken;
    await next.start();
    const killed = performance.now();
    victim.kill("SIGKILL");
    completed(await ended(id, own), "by the next");
    assert.ok(performance.now() - killed < 20_000, `after ${performance.now() - killed} ms`);
    await next.stop();
  });
});

test("workers: one that comes back goes on where it was", () => async () => {
  const hub = "worker-returns";
  const make1 = () => make(hub, {}, { o: async function* (ctx) { const a = yield ctx.callActivity("a", 1); const e = yield ctx.waitForExternalEvent("e"); return a + e + (yield ctx.callActivity("a", 3)); } }, { a: async (_, n) => n });
  const first = make1(), second = make1();
  await within(hub, [first], async (own) => {
    const id = await own.scheduleNewOrchestration("o");
    await until(async () => (await own.getOrchestrationHistory(id)).at(-1)?.type === "TaskCompleted", "the first activity is done");
    await first.stop();
    await own.raiseOrchestrationEvent(id, "e", 20);
    const never = await own.scheduleNewOrchestration("o");
    await sleep(200);
    assert.equal((await own.getOrchestrationState(never)).runtimeStatus, Status.PENDING, "without a worker nothing begins");
    await second.start();
    completed(await ended(id, own), 24);
    await own.raiseOrchestrationEvent(never, "e", 20);
    completed(await ended(never, own), 24);
    await second.stop();
  });
});

test("task hubs: two of one server know nothing of each other", () => async () => {
  const of = (hub) => make(hub, {}, { where: async () => hub });
  const id = newID();
  await within("hub-a", [of("hub-a")], (a) =>
    within("hub-b", [of("hub-b")], async (b) => {
      completed(await run("where", undefined, id, a), "hub-a");
      completed(await run("where", undefined, newID(), b), "hub-b"); // there is a hub once it has work, or its worker is connected
      assert.equal(await b.getOrchestrationState(id), undefined);
      completed(await run("where", undefined, id, b), "hub-b");
      completed(await a.getOrchestrationState(id), "hub-a");
    }));
});

test("workers: entities and activities that are registered by their functions", () => async () => {
  const hub = "by-function";
  function TallyEntity() { return { run(op) { const n = op.state.getState(0) + op.getInput(); op.state.setState(n); return n; } }; }
  async function twice(_, n) { return n * 2; }
  async function* tallies(ctx) { return yield ctx.entities.callEntity(new dt.EntityInstanceId("TallyEntity", "1"), "add", yield ctx.callActivity(twice, 21)); }
  const worker = newWorker(hub);
  worker.addEntity(TallyEntity);
  worker.addActivity(twice);
  worker.addOrchestrator(tallies);
  await within(hub, [worker], async (own) => completed(await run(tallies, undefined, undefined, own), 42));
});

// A host gets the work itself, and gives the bytes of one item to the SDK.
test("workers: a host that fetches the work and completes it", () => async () => {
  const hub = "host";
  const host = newWorker(hub);
  host.addNamedOrchestrator("hosted", async (ctx, v) => `${ctx.instanceId} got ${v}`);
  const own = newClient(hub);
  const metadata = metadataOf(hub);
  const stream = own._stub.getWorkItems(new protocol.GetWorkItemsRequest(), metadata);
  stream.on("error", () => {}); // it is cancelled below
  stream.on("data", async (item) => {
    const request = item.getOrchestratorrequest();
    if (!request) return;
    const response = protocol.OrchestratorResponse.deserializeBinary(await host.processOrchestratorRequest(request.serializeBinary()));
    response.setCompletiontoken(item.getCompletiontoken());
    own._stub.completeOrchestratorTask(response, metadata, () => {});
  });
  const id = newID();
  completed(await run("hosted", 7, id, own), `${id} got 7`);
  stream.cancel();
  await own.stop();
});
