// All cases of the SDK's own protocol.
"use strict";
const { used } = require("./checklist");
const { runAll } = require("./harness");

used();
for (const part of ["basics", "retries", "flow", "manage", "queries", "workers", "entities", "tracing"]) {
  require(`./${part}`);
}
runAll();
