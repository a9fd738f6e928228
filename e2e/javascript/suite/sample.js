// Runs samples from the documentation that the SDK's own packages have. None of them is
// a whole program: the README, which only the first releases have, and the comments of
// the typings show parts, and point to a repository for the rest. Each part is put, as
// it stands, into a module of TypeScript that imports what it names; the TypeScript
// compiler makes JavaScript of that.
"use strict";
const { readFileSync } = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");
const ts = require("typescript");
const { assert, client, completed, ended, newWorker, run, runAll, test } = require("./harness");

const sdk = "@microsoft/durabletask-js";
const blocks = (text) => [...text.matchAll(/```typescript\n(.*?)```/gs)].map((m) => m[1]);
const readme = blocks(readFileSync(path.join(path.dirname(require.resolve(`${sdk}-documentation/package.json`)), "README.md"), "utf8"));

// comments are the samples in the comments of a file of typings.
const comments = (file) => blocks(readFileSync(path.join(path.dirname(require.resolve(sdk)), file), "utf8").replaceAll(/^ *\* ?/gm, ""));

// find is the sample with this in it.
function find(samples, text) {
  const sample = samples.find((s) => s.includes(text));
  assert.ok(sample, `there is no sample with ${text}`);
  return sample;
}

// compile is what a module exports. What it takes from "./given" is the test's.
function compile(source, given = {}) {
  const { outputText, diagnostics } = ts.transpileModule(source, {
    reportDiagnostics: true, compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  assert.deepEqual(diagnostics.map((d) => ts.flattenDiagnosticMessageText(d.messageText, " ")), []);
  const exports = {};
  vm.compileFunction(outputText, ["require", "exports"])((name) => (name === "./given" ? given : require(name)), exports);
  return exports;
}

// working runs fn while a worker is there.
async function working(define, fn) {
  const worker = newWorker();
  define(worker);
  await worker.start();
  await fn();
  await worker.stop();
}

test("samples: function chaining, from the SDK's README", () => async () => {
  const { hello, sequence } = compile(`
    import { ActivityContext, OrchestrationContext, TOrchestrator } from "${sdk}";
    ${find(readme, "const sequence")}
    export { hello, sequence };`);
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
  const { orchestrator } = compile(`
    import { OrchestrationContext, TOrchestrator, whenAny } from "${sdk}";
    import { Order, placeOrder, sendApprovalRequest } from "./given";
    ${find(readme, "sendApprovalRequest")}
    export { orchestrator };`, { placeOrder, sendApprovalRequest });
  await working((w) => { w.addActivity(sendApprovalRequest); w.addActivity(placeOrder); w.addOrchestrator(orchestrator); }, async () => {
    completed(await run(orchestrator, { cost: 10 }));
    const id = await client.scheduleNewOrchestration(orchestrator, { cost: 5000 });
    await client.raiseOrchestrationEvent(id, "approval_received", { approver: "me" });
    completed(await ended(id), "Approved by me");
    assert.deepEqual(done[0], ["asked", 5000]);
  });
}, { alone: true });

test("samples: the loser of a race is cancelled, from the comments of the SDK's typings", () => async () => {
  const sample = find(comments("task/timer-task.d.ts"), "timeoutTask.cancel()");
  const imports = sample.match(/^import .*$/gm).join("\n");
  const { race } = compile(`
    ${imports}
    export async function* race(context) {
      const expirationDate = new Date(context.currentUtcDateTime.getTime() + 3600_000);
      ${sample.replace(imports, "")}
      return [winner.getResult(), timeoutTask.isCanceled];
    }`);
  await working((w) => { w.addNamedActivity("DoWork", () => "done"); w.addOrchestrator(race); }, async () => {
    completed(await run(race), ["done", true]);
  });
}, { alone: true });

runAll({ shared: false });
