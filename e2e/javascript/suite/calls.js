// HTTP calls: an activity by the name that SDKs have for it, which the server runs.
// What is called, at NETHERITE_TARGET, kills the server on the way. This SDK has no
// words of its own for such a call: it is an activity like any other.
"use strict";
const { Status, assert, client, completed, grpc, newWorker, runAll, sleep, test } = require("./harness");

const target = process.env.NETHERITE_TARGET;
const worker = newWorker();
worker.addNamedOrchestrator("fetch", async function* (ctx, request) {
  return yield ctx.callActivity("BuiltIn::HttpActivity", request);
});

// again repeats a call until the server answers.
async function again(call) {
  for (;;) {
    try {
      return await call();
    } catch (e) {
      if (![grpc.status.UNAVAILABLE, grpc.status.CANCELLED].includes(e.code)) throw e;
      await sleep(50);
    }
  }
}

let started;
async function fetch(method, path, more) {
  await (started ??= worker.start());
  const id = await again(() => client.scheduleNewOrchestration("fetch", { method, uri: path.includes("://") ? path : target + path, ...more }));
  return again(() => client.waitForOrchestrationCompletion(id, true, 200));
}

async function answer(...asked) {
  const state = await fetch(...asked);
  completed(state);
  return JSON.parse(state.serializedOutput);
}

async function refused(text, ...asked) {
  const state = await fetch(...asked);
  assert.equal(Status[state.runtimeStatus], "FAILED");
  assert.ok(state.failureDetails.message.includes(text), `${state.failureDetails.message} does not say ${text}`);
}

const it = (name, check) => test(`HTTP calls: ${name}`, () => check, { alone: true });

it("when the server is killed one without an answer is made again, and polling goes on", async () => {
  for (const path of ["/lost", "/polled"]) {
    const r = await answer("POST", path, { content: "x" });
    assert.deepEqual([r.statusCode, r.content], [200, `done ${path}`]);
  }
});

it("headers, body and status come back as they are", async () => {
  const r = await answer("POST", "/echo", { content: "body ä\n", headers: { "X-Sent": "here" } });
  assert.deepEqual([r.statusCode, r.content, r.headers["X-Got"]], [418, "body ä\n", "here"]);
});

it("an answer 202 is not polled if the caller says so", async () => {
  const r = await answer("GET", "/accepted", { asynchronousPatternEnabled: false });
  assert.deepEqual([r.statusCode, r.headers.Location], [202, "/never"]);
});

it("a redirect to another host is the answer", async () => {
  assert.equal((await answer("GET", "/elsewhere", { headers: { Authorization: "secret" } })).statusCode, 302);
});

it("what is refused says what to set", async () => {
  await refused("calls.hosts", "GET", "https://example.com");
  await refused("calls.exempt", "GET", `http://127.0.0.9:${new URL(target).port}/`);
  await refused("calls.response", "GET", "/large");
  await refused("put the credentials into a header", "GET", "/echo", { tokenSource: { kind: "AzureManagedIdentity", resource: "r" } });
  await worker.stop();
});

runAll({ shared: false });
