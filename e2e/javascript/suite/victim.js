// A worker that is killed: it takes an activity, says so, and never ends it.
"use strict";
const { newWorker } = require("./harness");

const worker = newWorker(process.argv[2]);
worker.addNamedOrchestrator("o", async function* (ctx) { return yield ctx.callActivity("a"); });
worker.addNamedActivity("a", () => { process.send("taken"); return new Promise(() => {}); });
worker.start();
