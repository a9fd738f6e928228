// What a client does to an instance: suspend, resume, terminate, rewind, restart, purge,
// start later, start again under the same ID.
"use strict";
const { Status, assert, begun, client, completed, dt, ended, failed, inStatus, newID, run, sleep, test, until } = require("./harness");
const { terminateOptions } = dt;
const protocol = require("@microsoft/durabletask-js/dist/proto/orchestrator_service_pb");

const waits = (w) => w.orchestrator(async function* (ctx, input) { return [input, yield ctx.waitForExternalEvent("finish")]; }, "waits");

async function startWaiting(name, input, options) {
  const id = await client.scheduleNewOrchestration(name, input, options);
  await begun(id);
  return id;
}

test("suspend and resume: nothing goes on in between, and no event is lost", (w) => {
  const name = waits(w);
  return async () => {
    const id = await startWaiting(name, 1);
    await client.suspendOrchestration(id);
    await inStatus(id, Status.SUSPENDED);
    await client.raiseOrchestrationEvent(id, "finish", "event");
    await sleep(300);
    assert.equal((await client.getOrchestrationState(id)).runtimeStatus, Status.SUSPENDED);
    await client.resumeOrchestration(id);
    completed(await ended(id), [1, "event"]);
    const types = (await client.getOrchestrationHistory(id)).map((e) => e.type);
    assert.ok(types.includes("ExecutionSuspended") && types.includes("ExecutionResumed"), types.join(" "));
  };
});

test("suspend and resume: a timer and an activity that end in between are not lost", (w) => {
  let go;
  const gate = new Promise((resolve) => { go = resolve; });
  const act = w.activity(async () => { await gate; return "result"; });
  const name = w.orchestrator(async function* (ctx) {
    const both = [ctx.callActivity(act), ctx.createTimer(0.5)];
    yield dt.whenAll(both);
    return both[0].getResult();
  });
  return async () => {
    const id = await startWaiting(name);
    await client.suspendOrchestration(id);
    await inStatus(id, Status.SUSPENDED);
    go();
    await sleep(700);
    assert.equal((await client.getOrchestrationState(id)).runtimeStatus, Status.SUSPENDED);
    await client.resumeOrchestration(id);
    completed(await ended(id), "result");
  };
});

test("suspend and resume: twice is as good as once", (w) => {
  const name = waits(w);
  return async () => {
    const id = await startWaiting(name, 1);
    for (let i = 0; i < 2; i++) await client.suspendOrchestration(id);
    await inStatus(id, Status.SUSPENDED);
    for (let i = 0; i < 2; i++) await client.resumeOrchestration(id);
    await inStatus(id, Status.RUNNING);
    await client.raiseOrchestrationEvent(id, "finish", 2);
    completed(await ended(id), [1, 2]);
  };
});

test("suspend and resume: what there is not is refused", () => async () => {
  for (const call of ["suspendOrchestration", "resumeOrchestration", "terminateOrchestration"]) {
    await assert.rejects(client[call](newID("none")), (e) => e.code === 5, call);
  }
});

const outputs = { "a text": "enough", "an object": { reason: "test", data: [1, 2, 3] }, nothing: null };
for (const [label, output] of Object.entries(outputs)) {
  test(`terminate: the output is what the client gave: ${label}`, (w) => {
    const name = waits(w);
    return async () => {
      const [plain, options] = [await startWaiting(name), await startWaiting(name)];
      await client.terminateOrchestration(plain, output);
      await client.terminateOrchestration(options, terminateOptions({ output }));
      for (const id of [plain, options]) {
        const state = await ended(id);
        assert.equal(state.runtimeStatus, Status.TERMINATED);
        assert.deepEqual(JSON.parse(state.serializedOutput), output);
      }
    };
  });
}

test("terminate: a suspended orchestration ends too", (w) => {
  const name = waits(w);
  return async () => {
    const id = await startWaiting(name);
    await client.suspendOrchestration(id);
    await inStatus(id, Status.SUSPENDED);
    await client.terminateOrchestration(id, "enough");
    assert.equal((await ended(id)).runtimeStatus, Status.TERMINATED);
  };
});

test("terminate: one that has ended stays as it is", (w) => {
  const name = w.orchestrator(async () => "done");
  return async () => {
    const { instanceId } = await run(name);
    await client.terminateOrchestration(instanceId, "too late");
    completed(await client.getOrchestrationState(instanceId), "done");
  };
});

test("terminate: one that has not begun ends without a worker", () => async () => {
  const id = await client.scheduleNewOrchestration("nobody", undefined, { startAt: new Date(Date.now() + 3600_000) });
  await client.terminateOrchestration(id, "never began");
  const state = await ended(id);
  assert.equal(state.runtimeStatus, Status.TERMINATED);
  assert.equal(state.serializedOutput, '"never began"');
});

for (const recursive of [true, false]) {
  test(`terminate: the children ${recursive ? "end too" : "go on"} if it is ${recursive ? "" : "not "}recursive`, (w) => {
    const child = waits(w);
    const middle = w.orchestrator(async function* (ctx, ids) { return yield ctx.callSubOrchestrator(child, 0, { instanceId: ids[1] }); });
    const parent = w.orchestrator(async function* (ctx, ids) { return yield ctx.callSubOrchestrator(middle, ids, { instanceId: ids[0] }); });
    return async () => {
      const ids = [newID("middle"), newID("child")];
      const id = await client.scheduleNewOrchestration(parent, ids);
      for (const c of ids) await inStatus(c, Status.RUNNING);
      await client.terminateOrchestration(id, terminateOptions({ output: "by the test", recursive }));
      const state = await ended(id);
      assert.equal(state.runtimeStatus, Status.TERMINATED);
      assert.equal(state.serializedOutput, '"by the test"');
      if (recursive) {
        for (const c of ids) assert.equal((await ended(c)).runtimeStatus, Status.TERMINATED);
        return;
      }
      await client.raiseOrchestrationEvent(ids[1], "finish", 1);
      completed(await ended(ids[1]), [0, 1]);
      completed(await ended(ids[0]), [0, 1]);
    };
  });
}

// failsAt fails in the first rounds. A rewind begins a round: how often something runs
// in one is no matter.
function failsAt(times) {
  const run = () => {
    if (run.round <= times) throw new Error(`failure ${run.round}`);
    return `attempt ${run.round}`;
  };
  run.round = 1;
  run.rewind = (id, reason) => {
    run.round++;
    return client.rewindInstance(id, reason);
  };
  return run;
}

test("rewind: an orchestration that failed runs again from where it failed", (w) => {
  const bad = failsAt(1), rounds = new Set();
  const fine = w.activity(async () => { rounds.add(bad.round); return bad.round; });
  const fails = w.activity(async () => bad());
  const name = w.orchestrator(async function* (ctx) { return [yield ctx.callActivity(fine), yield ctx.callActivity(fails)]; });
  return async () => {
    const { instanceId } = failed(await run(name), /failure 1/);
    await bad.rewind(instanceId, "it was the network");
    completed(await ended(instanceId), [1, "attempt 2"]);
    assert.deepEqual([...rounds], [1], "what was done is not done again");
    const rewound = (await client.getOrchestrationHistory(instanceId)).find((e) => e.type === "ExecutionRewound");
    assert.equal(rewound?.reason, "it was the network");
  };
});

test("rewind: an orchestrator that threw itself runs again", (w) => {
  const bad = failsAt(1);
  const name = w.orchestrator(async () => bad());
  return async () => {
    const { instanceId } = failed(await run(name, 1), /failure 1/);
    await bad.rewind(instanceId, "again");
    const state = completed(await ended(instanceId), "attempt 2");
    assert.equal(state.serializedInput, "1");
  };
});

test("rewind: it can be done several times", (w) => {
  const bad = failsAt(3);
  const fails = w.activity(async () => bad());
  const name = w.orchestrator(async function* (ctx) { return yield ctx.callActivity(fails); });
  return async () => {
    const { instanceId } = failed(await run(name), /failure 1/);
    for (const n of [2, 3]) {
      await bad.rewind(instanceId, `time ${n}`);
      await until(async () => (await client.getOrchestrationState(instanceId)).failureDetails?.message.includes(`failure ${n}`), `failure ${n} is there`);
    }
    await bad.rewind(instanceId, "last");
    completed(await ended(instanceId), "attempt 4");
  };
});

test("rewind: the child that failed runs again too, and its brother does not", (w) => {
  const bad = failsAt(1), rounds = new Set();
  const fails = w.activity(async () => bad());
  const child = w.orchestrator(async function* (ctx) { return yield ctx.callActivity(fails); });
  const brother = w.orchestrator(async () => { rounds.add(bad.round); return bad.round; });
  const name = w.orchestrator(async function* (ctx) { return [yield ctx.callSubOrchestrator(brother), yield ctx.callSubOrchestrator(child)]; });
  return async () => {
    const { instanceId } = failed(await run(name), /failure 1/);
    await bad.rewind(instanceId, "again");
    completed(await ended(instanceId), [1, "attempt 2"]);
    assert.deepEqual([...rounds], [1]);
  };
});

test("rewind: only what has failed is rewound", (w) => {
  const done = w.orchestrator(async () => "done"), name = waits(w);
  return async () => {
    await assert.rejects(client.rewindInstance(newID("none"), "r"), /was not found/);
    await assert.rejects(client.rewindInstance("", "r"), /instanceId is required/);
    const { instanceId } = completed(await run(done));
    await assert.rejects(client.rewindInstance(instanceId, "r"), (e) => e.cause?.code === 9);
    const id = await startWaiting(name);
    await assert.rejects(client.rewindInstance(id, "r"), (e) => e.cause?.code === 9);
    await client.terminateOrchestration(id);
    await ended(id);
    await assert.rejects(client.rewindInstance(id, "r"), (e) => e.cause?.code === 9);
    completed(await client.getOrchestrationState(instanceId), "done");
  };
});

test("restart: under the same ID, which is the default", (w) => {
  let runs = 0;
  const name = w.orchestrator(async (_, n) => { runs++; return n + 1; });
  return async () => {
    const { instanceId } = completed(await run(name, 5), 6);
    const first = (await client.getOrchestrationHistory(instanceId))[1].orchestrationInstance.executionId;
    runs = 0;
    assert.equal(await client.restartOrchestration(instanceId), instanceId);
    await until(() => runs > 0, "it runs again");
    completed(await ended(instanceId), 6);
    const second = (await client.getOrchestrationHistory(instanceId))[1].orchestrationInstance.executionId;
    assert.notEqual(first, second);
    assert.equal(await client.restartOrchestration(instanceId, false), instanceId);
  };
});

test("restart: under a new ID, with input, name, version and tags", (w) => {
  const name = w.orchestrator(async (ctx, input) => ({ input, version: ctx.version }));
  return async () => {
    const input = { name: "test", nested: { items: [1, 2, 3] } };
    const old = completed(await run(name, input, { version: "2.0.0", tags: { a: "b" } }));
    const id = await client.restartOrchestration(old.instanceId, true);
    assert.notEqual(id, old.instanceId);
    const state = completed(await ended(id), { input, version: "2.0.0" });
    assert.deepEqual([state.name, state.tags], [name, { a: "b" }]);
    completed(await client.getOrchestrationState(old.instanceId));
  };
});

test("restart: what has failed and what was terminated", (w) => {
  let broken = true;
  const flaky = w.orchestrator(async (_, v) => { if (broken) throw new Error("at first"); return v; });
  const name = waits(w);
  return async () => {
    const bad = failed(await run(flaky, "input"));
    broken = false;
    completed(await ended(await client.restartOrchestration(bad.instanceId, true)), "input");
    const id = await startWaiting(name, "data");
    await client.terminateOrchestration(id);
    await ended(id);
    await client.restartOrchestration(id);
    await inStatus(id, Status.RUNNING);
    await client.raiseOrchestrationEvent(id, "finish", "yes");
    completed(await ended(id), ["data", "yes"]);
  };
});

test("restart: what runs only under a new ID, what is not there not at all", (w) => {
  const name = waits(w);
  return async () => {
    await assert.rejects(client.restartOrchestration(newID("none")), /was not found/);
    await assert.rejects(client.restartOrchestration(""), /null or empty/);
    const id = await startWaiting(name, 1);
    await assert.rejects(client.restartOrchestration(id, false), /cannot be restarted/);
    const other = await client.restartOrchestration(id, true);
    assert.notEqual(other, id);
    for (const i of [id, other]) {
      await begun(i);
      await client.raiseOrchestrationEvent(i, "finish", 2);
      completed(await ended(i), [1, 2]);
    }
  };
});

test("purge: an instance that has ended is gone", (w) => {
  const name = w.orchestrator(async () => "done");
  return async () => {
    for (const options of [undefined, { recursive: false }, { recursive: true }]) {
      const { instanceId } = await run(name);
      assert.equal((await client.purgeOrchestration(instanceId, options)).deletedInstanceCount, 1);
      assert.equal(await client.getOrchestrationState(instanceId), undefined);
      assert.deepEqual(await client.getOrchestrationHistory(instanceId), []);
      assert.equal((await client.purgeOrchestration(instanceId)).deletedInstanceCount, 0);
    }
  };
});

test("purge: what runs stays", (w) => {
  const name = waits(w);
  return async () => {
    const id = await startWaiting(name, 1);
    assert.equal((await client.purgeOrchestration(id)).deletedInstanceCount, 0);
    await client.raiseOrchestrationEvent(id, "finish", 2);
    completed(await ended(id), [1, 2]);
  };
});

for (const recursive of [true, false]) {
  test(`purge: the children ${recursive ? "go" : "stay"} if it is ${recursive ? "" : "not "}recursive`, (w) => {
    const child = w.orchestrator(async () => 1);
    const parent = w.orchestrator(async function* (ctx, id) { return yield ctx.callSubOrchestrator(child, undefined, { instanceId: id }); });
    return async () => {
      const id = newID("child");
      const { instanceId } = completed(await run(parent, id), 1);
      assert.equal((await client.purgeOrchestration(instanceId, { recursive })).deletedInstanceCount, recursive ? 2 : 1);
      assert.equal(await client.getOrchestrationState(instanceId), undefined);
      assert.equal((await client.getOrchestrationState(id)) === undefined, recursive);
    };
  });
}

test("scheduled start: it is pending until its time, and begins then", (w) => {
  const name = w.orchestrator(async (ctx) => ctx.currentUtcDateTime.getTime());
  return async () => {
    const at = new Date(Date.now() + 4_000);
    const ids = [await client.scheduleNewOrchestration(name, undefined, { startAt: at }), await client.scheduleNewOrchestration(name, undefined, newID(), at)];
    for (const id of ids) assert.equal((await client.getOrchestrationState(id)).runtimeStatus, Status.PENDING);
    for (const id of ids) {
      assert.ok(JSON.parse(completed(await ended(id)).serializedOutput) >= at.getTime(), "it began too early");
      const started = (await client.getOrchestrationHistory(id)).find((e) => e.type === "ExecutionStarted");
      assert.equal(started.scheduledStartTimestamp?.getTime(), at.getTime());
    }
  };
});

// schedule starts with a reuse policy, which the client of this version cannot say: the
// message is the SDK's own.
function schedule(name, id, input, replaceable) {
  const request = new protocol.CreateInstanceRequest();
  request.setName(name);
  request.setInstanceid(id);
  const value = new (require("google-protobuf/google/protobuf/wrappers_pb").StringValue)();
  value.setValue(JSON.stringify(input));
  request.setInput(value);
  const policy = new protocol.OrchestrationIdReusePolicy();
  policy.setReplaceablestatusList(replaceable.map((s) => protocol.OrchestrationStatus[`ORCHESTRATION_STATUS_${s}`]));
  request.setOrchestrationidreusepolicy(policy);
  return new Promise((resolve, reject) => client._stub.startInstance(request, (e, r) => (e ? reject(e) : resolve(r))));
}
const everyStatus = ["COMPLETED", "FAILED", "TERMINATED", "CANCELED", "PENDING", "RUNNING", "SUSPENDED"];

test("reuse policies: a live instance is not replaced, one that has ended is", (w) => {
  const name = waits(w);
  return async () => {
    const id = await startWaiting(name, "first", newID());
    await assert.rejects(client.scheduleNewOrchestration(name, "second", id), (e) => e.code === 6);
    assert.equal((await client.getOrchestrationState(id)).serializedInput, '"first"');
    await client.raiseOrchestrationEvent(id, "finish", 1);
    completed(await ended(id), ["first", 1]);
    await client.scheduleNewOrchestration(name, "third", id);
    await client.raiseOrchestrationEvent(id, "finish", 2);
    await until(async () => (await client.getOrchestrationState(id)).serializedOutput === '["third",2]', "the third has ended");
  };
});

test("reuse policies: a status that is to be kept is kept", (w) => {
  const name = waits(w);
  return async () => {
    const id = await startWaiting(name, "first", newID());
    await assert.rejects(schedule(name, id, "second", ["COMPLETED", "FAILED", "TERMINATED", "CANCELED"]), (e) => e.code === 6);
    const state = await client.getOrchestrationState(id);
    assert.deepEqual([state.serializedInput, state.runtimeStatus], ['"first"', Status.RUNNING]);
    await client.raiseOrchestrationEvent(id, "finish", 1);
    completed(await ended(id), ["first", 1]);
    await assert.rejects(schedule(name, id, "second", ["FAILED", "TERMINATED"]), (e) => e.code === 6);
  };
});

test("reuse policies: a live instance is replaced if that is allowed", (w) => {
  const name = waits(w);
  return async () => {
    const id = await startWaiting(name, "first", newID());
    await schedule(name, id, "second", everyStatus);
    await until(async () => (await client.getOrchestrationState(id)).serializedInput === '"second"', "the second is there");
    await client.raiseOrchestrationEvent(id, "finish", 1);
    completed(await ended(id), ["second", 1]);
  };
});

test("reuse policies: to replace what runs but keep what was terminated makes no sense", (w) => {
  const name = waits(w);
  return async () => {
    const id = await startWaiting(name, "first", newID());
    await client.suspendOrchestration(id);
    await inStatus(id, Status.SUSPENDED);
    await assert.rejects(
      schedule(name, id, "second", ["COMPLETED", "FAILED", "CANCELED", "SUSPENDED"]),
      (e) => e.code === 3 && e.details.startsWith("Invalid reusable statuses: cannot exclude 'Terminated' while also allowing reuse of running instances"),
    );
    const state = await client.getOrchestrationState(id);
    assert.deepEqual([state.serializedInput, state.runtimeStatus], ['"first"', Status.SUSPENDED]);
  };
});

test("instance IDs: those of the caller's, those that are made up, and those that cannot be", (w) => {
  const name = w.orchestrator(async (ctx) => ctx.instanceId);
  return async () => {
    for (const id of ["with space", "a:b;c,d", "ä-ü".normalize("NFC").replace(/[^\x20-\x7e]/g, "x"), "x".repeat(100)].map((s) => `${s}-${Date.now()}`)) {
      completed(await run(name, undefined, id), id);
    }
    const made = completed(await run(name));
    assert.ok(made.instanceId.length >= 32);
    for (const id of ["a/b", "a\\b", "a#b", "a?b", "x".repeat(257), "a\nb"]) {
      await assert.rejects(client.scheduleNewOrchestration(name, undefined, id), (e) => e.code === 3, JSON.stringify(id));
    }
    assert.equal(await client.getOrchestrationState(newID("none")), undefined);
    assert.equal(await client.waitForOrchestrationStart(newID("none")), undefined);
    assert.equal(await client.waitForOrchestrationCompletion(newID("none")), undefined);
  };
});

test("hello: waiting for an end that does not come in time is an error, and the instance goes on", (w) => {
  const name = waits(w);
  return async () => {
    const id = await startWaiting(name, 1);
    await assert.rejects(client.waitForOrchestrationCompletion(id, true, 0.2), /Timed out/);
    await client.raiseOrchestrationEvent(id, "finish", 2);
    completed(await ended(id), [1, 2]);
  };
});

test("hello: a hundred clients wait for one instance", (w) => {
  const name = waits(w);
  return async () => {
    const id = await startWaiting(name, 1);
    const all = Array.from({ length: 100 }, () => ended(id));
    await client.raiseOrchestrationEvent(id, "finish", 2);
    for (const state of await Promise.all(all)) completed(state, [1, 2]);
  };
});
