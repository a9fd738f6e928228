// What the cases of the suite share: a client and a worker of the SDK, orchestrations
// that are registered under names of their own, and the lines that are printed.
"use strict";

const assert = require("node:assert/strict");
const { randomUUID } = require("node:crypto");
const { setTimeout: sleep } = require("node:timers/promises");
const grpc = require("@grpc/grpc-js");
const dt = require("@microsoft/durabletask-js");
const killed = require("./killed");

const address = process.env.NETHERITE_GRPC;
if (!address) {
  throw new Error("NETHERITE_GRPC must say where the server is, HOST:PORT");
}
const Status = dt.OrchestrationStatus;
const quiet = new dt.NoOpLogger();

// caseTime is how long a case may take, on a machine that does very much else;
// waitTime is how long a wait of the SDK may, in seconds.
const caseTime = 240_000;
const waitTime = 200;

// once makes names different from those of an earlier run with the same server.
const once = process.env.NETHERITE_ONCE ?? Date.now().toString(36);

// metadataOf names the task hub as the clients of a hosted scheduler do. The hubs of
// cases are new in each run.
function metadataOf(hub) {
  const m = new grpc.Metadata();
  m.set("taskhub", hub === process.env.NETHERITE_HUB ? hub : `${hub}-${once}`);
  return m;
}

const hubOptions = (hub) => (hub ? { metadataGenerator: async () => metadataOf(hub) } : {});

const newClient = (hub, more) =>
  killed.patient(new dt.TaskHubGrpcClient({ hostAddress: address, logger: quiet, ...killed.clientOptions(), ...hubOptions(hub), ...more }));
const newWorker = (hub, more) =>
  new dt.TaskHubGrpcWorker({ hostAddress: address, logger: quiet, shutdownTimeoutMs: 2_000, ...killed.workerOptions(), ...hubOptions(hub), ...more });

const hub = process.env.NETHERITE_HUB;
const client = newClient(hub);
const worker = newWorker(hub);
const cases = [];
let names = 0;

// registrar gives a case's orchestrations, activities and entities names of their own
// on the worker that all cases share.
const registrar = {
  orchestrator(fn, label = "orchestrator") {
    const name = `${label}_${++names}_${once}`;
    worker.addNamedOrchestrator(name, fn);
    return name;
  },
  activity(fn, label = "activity") {
    const name = `${label}_${++names}_${once}`;
    worker.addNamedActivity(name, fn);
    return name;
  },
  entity(factory, label = "entity") {
    const name = `${label}_${++names}_${once}`;
    worker.addNamedEntity(name, factory);
    return name;
  },
};

// test adds a case. What its name has before the colon is the feature. define may
// register what the case needs, and returns what runs it. One that is alone runs
// when all others are over. While the server is killed a case may begin several
// times: then there are so many copies of what it has registered.
function test(name, define, { alone = false } = {}) {
  if (!killed.bears(name)) return;
  const copies = Array.from({ length: killed.copies }, () => define(registrar));
  cases.push({ name: killed.named(name), run: (n) => copies[n](), alone });
}

function limit(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not done after ${caseTime} ms`)), caseTime);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// describe is an error on one line, with the place where it was thrown.
function describe(error) {
  const at = String(error?.stack ?? "").split("\n").find((l) => l.includes(__dirname) && !l.includes("harness.js"));
  return `${error?.message ?? error} ${at ? at.trim() : ""}`.replaceAll("\n", " | ");
}

// runOne runs a case and prints its line.
async function runOne(c) {
  const line = { test: c.name, ok: true, error: "", sdk: "js", feature: c.name.split(":")[0] };
  const begin = performance.now();
  try {
    await limit(killed.attempt(c.name, c.run, () => client.getOrchestrationState("ready")), c.name);
  } catch (error) {
    line.ok = false;
    line.error = describe(error);
  }
  console.log(JSON.stringify({ ...line, ms: Math.round(performance.now() - begin) }));
  return line.ok;
}

// runAll runs the cases, so many at once, and ends the process. Without the shared
// worker the cases have their own.
async function runAll({ atOnce = 24, only = process.env.NETHERITE_CASES, shared = true } = {}) {
  if (shared) await worker.start();
  const chosen = cases.filter((c) => !only || c.name.includes(only));
  let fine = true;
  const lane = async (queue) => {
    for (let c = queue.shift(); c; c = queue.shift()) fine = (await runOne(c)) && fine;
  };
  const together = chosen.filter((c) => !c.alone);
  await Promise.all(Array.from({ length: atOnce }, () => lane(together)));
  await lane(chosen.filter((c) => c.alone));
  await Promise.all([shared && worker.stop(), client.stop()]);
  process.exit(fine ? 0 : 1);
}

const newID = (prefix = "i") => `${prefix}-${randomUUID()}`;

// run starts an orchestration and waits for its end.
async function run(orchestrator, input, options, on = client) {
  const id = await on.scheduleNewOrchestration(orchestrator, input, options);
  return ended(id, on);
}

async function ended(id, on = client) {
  const state = await on.waitForOrchestrationCompletion(id, true, waitTime);
  assert.ok(state, `there is no instance ${id}`);
  return state;
}

// begun waits until an instance has begun.
const begun = (id, on = client) => on.waitForOrchestrationStart(id, true, waitTime);

// completed checks that an orchestration has completed, with this output.
function completed(state, output) {
  assert.equal(Status[state.runtimeStatus], "COMPLETED", `${state.instanceId}: ${state.failureDetails?.message}`);
  assert.equal(state.failureDetails, undefined);
  if (arguments.length > 1) {
    assert.deepEqual(JSON.parse(state.serializedOutput), output);
  }
  return state;
}

// failed checks that an orchestration has failed, with a message like this.
function failed(state, message) {
  assert.equal(Status[state.runtimeStatus], "FAILED", `output ${state.serializedOutput}`);
  assert.ok(state.failureDetails, "a failure has no details");
  if (message) {
    assert.match(state.failureDetails.message, message);
  }
  return state;
}

// until waits until fn returns something true, and returns that.
async function until(fn, what) {
  for (const end = Date.now() + 200_000; Date.now() < end; await sleep(25)) {
    const v = await fn();
    if (v) {
      return v;
    }
  }
  throw new Error(`it never came to be that ${what}`);
}

// inStatus waits until an instance has a status.
const inStatus = (id, status, on = client) =>
  until(async () => {
    const s = await on.getOrchestrationState(id, true);
    return s?.runtimeStatus === status ? s : undefined;
  }, `${id} is ${Status[status]}`);

async function all(iterable) {
  const list = [];
  for await (const item of iterable) {
    list.push(item);
  }
  return list;
}

module.exports = {
  Status, address, all, assert, begun, cases, client, completed, dt, ended, failed, grpc, hub, inStatus, metadataOf,
  newClient, newID, newWorker, once, quiet, run, runAll, sleep, test, until, worker,
};
