// Runs samples from the README that the SDK's own package has, as they stand there,
// with what a program around them needs: a worker, a client, and the functions that
// they leave to the reader.
"use strict";
const { readFileSync } = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");
const { transform } = require("sucrase");
const { assert, client, completed, dt, ended, newWorker, run, runAll, test } = require("./harness");

const folder = path.dirname(require.resolve("@microsoft/durabletask-js-documentation/package.json"));
const samples = [...readFileSync(path.join(folder, "README.md"), "utf8").matchAll(/```typescript\n(.*?)```/gs)].map((m) => m[1]);

// load is what a sample defines, given the rest of its program.
function load(text, results, given) {
  const sample = samples.find((s) => s.includes(text));
  assert.ok(sample, `the README has no sample with ${text}`);
  const { code } = transform(sample, { transforms: ["typescript"] });
  return vm.runInThisContext(`(function (${Object.keys(given)}) { ${code}\nreturn { ${results} }; })`)(...Object.values(given));
}

// working runs fn while a worker is there, in a hub of its own.
async function working(define, fn) {
  const worker = newWorker();
  define(worker);
  await worker.start();
  await fn();
  await worker.stop();
}

test("samples: function chaining, from the SDK's README", () => async () => {
  const { hello, sequence } = load("const sequence", "hello, sequence", {});
  await working((w) => { w.addActivity(hello); w.addOrchestrator(sequence); }, async () => {
    const cities = JSON.parse(completed(await run(sequence)).serializedOutput);
    assert.equal(cities.length, 3);
    for (const c of cities) assert.match(c, /^Hello \w+!$/);
  });
}, { alone: true });

test("samples: human interaction, from the SDK's README", () => async () => {
  const done = [];
  const sendApprovalRequest = async (_, order) => { done.push(["asked", order.cost]); };
  const placeOrder = async (_, order) => { done.push(["placed", order.cost]); };
  const { orchestrator } = load("sendApprovalRequest", "orchestrator", { sendApprovalRequest, placeOrder, whenAny: dt.whenAny });
  await working((w) => { w.addActivity(sendApprovalRequest); w.addActivity(placeOrder); w.addOrchestrator(orchestrator); }, async () => {
    completed(await run(orchestrator, { cost: 10 }));
    const id = await client.scheduleNewOrchestration(orchestrator, { cost: 5000 });
    await client.raiseOrchestrationEvent(id, "approval_received", { approver: "me" });
    completed(await ended(id), "Approved by me");
    assert.deepEqual(done[0], ["asked", 5000]);
  });
}, { alone: true });

runAll({ shared: false });
