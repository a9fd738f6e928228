// All cases of the SDK's own protocol. Those of workers and of traces have workers that
// end, and spans that are counted: they are left out while the server is killed.
"use strict";
const { used } = require("./checklist");
const { runAll } = require("./harness");
const { on: killed } = require("./killed");

used();
for (const part of ["basics", "retries", "flow", "manage", "queries", "workers", "entities", "tracing"]) {
  if (!killed || !["workers", "tracing"].includes(part)) require(`./${part}`);
}
runAll();
