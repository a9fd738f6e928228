// Entities: signals, calls, state, queries, and critical sections.
"use strict";
const { all, assert, client, completed, dt, ended, failed, newID, run, test, until } = require("./harness");
const { EntityInstanceId: ID, TaskEntity, whenAll } = dt;

class Counter extends TaskEntity {
  add(n) { this.state.count += n; return this.state.count; }
  subtract(n) { this.state.count -= n; return this.state.count; }
  get() { return this.state.count; }
  reset() { this.state.count = 0; }
  initializeState() { return { count: 0 }; }
}

class Account extends TaskEntity {
  deposit(n) { if (n <= 0) throw new RangeError("a deposit must be positive"); this.state.balance += n; this.state.transactions++; return this.state.balance; }
  withdraw(n) { if (n > this.state.balance) throw new Error(`the balance is ${this.state.balance}, not ${n}`); this.state.balance -= n; this.state.transactions++; return this.state.balance; }
  // spoil changes the state before it throws: nothing of that may stay.
  spoil() { this.state.balance = -1; this.context.signalEntity(new ID(this.context.id.name, "spoiled"), "deposit", 1); throw new Error("spoilt"); }
  setOwner(name) { this.state.owner = name; }
  all() { return { ...this.state }; }
  initializeState() { return { balance: 0, owner: "nobody", transactions: 0 }; }
}

const counters = (w) => w.entity(() => new Counter(), "Counter");
// state is undefined also for an entity that has none yet, only a signal for later.
const state = async (id) => {
  const e = await client.getEntity(id);
  return e?.includesState ? e.state : undefined;
};
const becomes = (id, expected) => until(async () => {
  try { assert.deepEqual(await state(id), expected); return true; } catch { return false; }
}, `the state of ${id} is ${JSON.stringify(expected)}`);

test("entities: signals are done in order, and the state can be read", (w) => {
  const name = counters(w);
  return async () => {
    const id = new ID(name, newID());
    const before = Date.now();
    await client.signalEntity(id, "add", 10);
    await client.signalEntity(id, "add", 5);
    await client.signalEntity(id, "subtract", 3);
    await becomes(id, { count: 12 });
    const e = await client.getEntity(id);
    assert.ok(e.id.equals(id) && e.includesState && e.backlogQueueSize === 0 && e.lockedBy === undefined);
    assert.ok(e.lastModifiedTime.getTime() >= before - 1000 && e.lastModifiedTime.getTime() <= Date.now() + 1000);
    const without = await client.getEntity(id, false);
    assert.equal(without.includesState, false);
  };
});

test("entities: what was never signalled is not there", (w) => {
  const name = counters(w);
  return async () => assert.equal(await client.getEntity(new ID(name, newID())), undefined);
});

test("entities: those of one name are independent, and so are those of one key", (w) => {
  const counter = counters(w), account = w.entity(() => new Account(), "Account");
  return async () => {
    const key = newID(), one = new ID(counter, key), two = new ID(counter, newID()), other = new ID(account, key);
    await client.signalEntity(one, "add", 100);
    await client.signalEntity(two, "add", 50);
    await client.signalEntity(other, "deposit", 7);
    await client.signalEntity(one, "add", 25);
    await becomes(one, { count: 125 });
    await becomes(two, { count: 50 });
    await becomes(other, { balance: 7, owner: "nobody", transactions: 1 });
  };
});

test("entities: names in upper and lower case are one, keys are not", (w) => {
  const name = counters(w);
  return async () => {
    const key = newID("Key@with:signs");
    await client.signalEntity(new ID(name.toUpperCase(), key), "add", 1);
    await client.signalEntity(new ID(name.toLowerCase(), key), "add", 1);
    await client.signalEntity(new ID(name, key.toLowerCase()), "add", 5);
    await becomes(new ID(name, key), { count: 2 });
    await becomes(new ID(name, key.toLowerCase()), { count: 5 });
  };
});

test("entities: an operation that throws changes nothing, and what comes after it is done", (w) => {
  const name = w.entity(() => new Account(), "Account");
  return async () => {
    const id = new ID(name, newID());
    await client.signalEntity(id, "setOwner", "Alice");
    await client.signalEntity(id, "deposit", 100);
    await client.signalEntity(id, "spoil");
    await client.signalEntity(id, "withdraw", 500);
    await client.signalEntity(id, "withdraw", 30);
    await becomes(id, { balance: 70, owner: "Alice", transactions: 2 });
    assert.equal(await client.getEntity(new ID(name, "spoiled")), undefined, "nothing was sent");
  };
});

test("entities: lists and other states", (w) => {
  const name = w.entity(() => ({
    run(op) {
      const list = op.state.getState([]);
      if (op.name === "push") op.state.setState([...list, op.getInput()]);
      return { had: op.state.hasState, input: op.hasInput, key: op.context.id.key };
    },
  }));
  return async () => {
    const id = new ID(name, newID());
    for (const v of ["Hello", { a: 1 }, null, 0]) await client.signalEntity(id, "push", v);
    await becomes(id, ["Hello", { a: 1 }, null, 0]);
  };
});

test("entities: deleted ones are gone, and begin anew", (w) => {
  const name = counters(w);
  return async () => {
    const id = new ID(name, newID());
    await client.signalEntity(id, "add", 100);
    await becomes(id, { count: 100 });
    await client.signalEntity(id, "delete");
    await until(async () => (await client.getEntity(id)) === undefined, "it is gone");
    await client.signalEntity(id, "add", 50);
    await becomes(id, { count: 50 });
  };
});

test("entities: a reset is an operation like any other", (w) => {
  const name = counters(w);
  return async () => {
    const id = new ID(name, newID());
    await client.signalEntity(id, "add", 150);
    await becomes(id, { count: 150 });
    await client.signalEntity(id, "reset");
    await becomes(id, { count: 0 });
  };
});

test("entities: a hundred signals at once are each done once", (w) => {
  const name = counters(w);
  return async () => {
    const id = new ID(name, newID());
    await Promise.all(Array.from({ length: 100 }, () => client.signalEntity(id, "add", 3)));
    await becomes(id, { count: 300 });
  };
});

test("entities: a signal for later is not done before", (w) => {
  const at = [];
  const name = w.entity(() => ({ run(op) { at.push(Date.now()); op.state.setState(op.getInput()); } }));
  return async () => {
    const id = new ID(name, newID()), time = new Date(Date.now() + 700);
    await client.signalEntity(id, "set", 1, { signalTime: time });
    await becomes(id, 1);
    assert.ok(at[0] >= time.getTime(), `${time.getTime() - at[0]} ms too early`);
  };
});

test("entities: one signals another and itself, and starts an orchestration", (w) => {
  const counter = counters(w);
  const started = w.orchestrator(async (ctx, input) => ({ input, parent: ctx.parent === undefined }));
  const boss = w.entity(() => new (class extends TaskEntity {
    go({ key, id }) {
      this.context.signalEntity(new ID(counter, key), "add", 42);
      this.context.signalEntity(new ID(counter, key), "add", 1, { signalTime: new Date(Date.now() + 300) });
      this.context.signalEntity(this.context.id, "note", "by myself");
      return this.context.scheduleNewOrchestration(started, "from an entity", { instanceId: id });
    }
    note(text) { this.state.notes.push(text); }
    initializeState() { return { notes: [] }; }
  })(), "Boss");
  return async () => {
    const key = newID(), id = newID("started"), bossID = new ID(boss, key);
    await client.signalEntity(bossID, "go", { key, id });
    await becomes(bossID, { notes: ["by myself"] });
    await becomes(new ID(counter, key), { count: 43 });
    completed(await ended(id), { input: "from an entity", parent: true });
  };
});

test("entities: an orchestration calls one and gets the results", (w) => {
  const name = w.entity(() => new Account(), "Account");
  const caller = w.orchestrator(async function* (ctx, key) {
    const id = new ID(name, key);
    yield ctx.entities.callEntity(id, "setOwner", "Bob");
    return [yield ctx.entities.callEntity(id, "deposit", 500), yield ctx.entities.callEntity(id, "withdraw", 200), yield ctx.entities.callEntity(id, "all")];
  });
  return async () => {
    const state = completed(await run(caller, newID()), [500, 300, { balance: 300, owner: "Bob", transactions: 2 }]);
    const types = (await client.getOrchestrationHistory(state.instanceId)).map((e) => e.type);
    assert.equal(types.filter((t) => t === "EntityOperationCalled").length, 4);
    assert.equal(types.filter((t) => t === "EntityOperationCompleted").length, 4);
  };
});

test("entities: many calls at once", (w) => {
  const name = counters(w);
  const caller = w.orchestrator(async function* (ctx, key) {
    yield whenAll(Array.from({ length: 30 }, (_, i) => ctx.entities.callEntity(new ID(name, `${key}-${i % 3}`), "add", 1)));
    const counts = yield whenAll([0, 1, 2].map((i) => ctx.entities.callEntity(new ID(name, `${key}-${i}`), "get")));
    return counts;
  });
  return async () => completed(await run(caller, newID()), [10, 10, 10]);
});

test("entities: a call that fails says which operation and why, and can be caught", (w) => {
  const name = w.entity(() => new Account(), "Account");
  const caller = w.orchestrator(async function* (ctx, key) {
    const id = new ID(name, key);
    const caught = [];
    for (const [operation, input] of [["deposit", -1], ["thereIsNoSuchOperation", 1]]) {
      try { yield ctx.entities.callEntity(id, operation, input); } catch (e) { caught.push([e.constructor.name, e.operationName, e.failureDetails.errorType, e.failureDetails.errorMessage]); }
    }
    return [caught, yield ctx.entities.callEntity(id, "deposit", 1)];
  });
  return async () => {
    const [[bad, none], balance] = JSON.parse(completed(await run(caller, newID())).serializedOutput);
    assert.deepEqual(bad, ["EntityOperationFailedException", "deposit", "RangeError", "a deposit must be positive"]);
    assert.match(none[3], /thereIsNoSuchOperation/i);
    assert.equal(balance, 1);
  };
});

test("entities: a call of one that no worker knows fails by name", (w) => {
  const caller = w.orchestrator(async function* (ctx) { return yield ctx.entities.callEntity(new ID("thereIsNoSuchEntity", "1"), "get"); });
  return async () => failed(await run(caller), /nosuchentity/i);
});

test("entities: signals and calls of one orchestration are done in order", (w) => {
  const name = counters(w);
  const caller = w.orchestrator(async function* (ctx, key) {
    const id = new ID(name, key);
    ctx.entities.signalEntity(id, "add", 10);
    const first = yield ctx.entities.callEntity(id, "add", 5);
    ctx.entities.signalEntity(id, "add", 3);
    return [first, yield ctx.entities.callEntity(id, "get")];
  });
  return async () => {
    const s = completed(await run(caller, newID()), [15, 18]);
    const signal = (await client.getOrchestrationHistory(s.instanceId)).find((e) => e.type === "EntityOperationSignaled");
    assert.equal(signal.operation, "add");
    assert.ok(signal.targetInstanceId.startsWith(`@${name.toLowerCase()}@`));
  };
});

test("entities: a signal of the last step is sent, and one for later waits", (w) => {
  const name = w.entity(() => ({ run(op) { op.state.setState([...op.state.getState([]), [op.getInput(), Date.now()]]); } }));
  const caller = w.orchestrator(async (ctx, key) => {
    const at = new Date(ctx.currentUtcDateTime.getTime() + 400);
    ctx.entities.signalEntity(new ID(name, key), "add", "now");
    ctx.entities.signalEntity(new ID(name, key), "add", "later", { signalTime: at });
    return at.getTime();
  });
  return async () => {
    const key = newID();
    const at = JSON.parse(completed(await run(caller, key)).serializedOutput);
    const [first, second] = await until(async () => { const s = await state(new ID(name, key)); return s?.length === 2 && s; }, "both are done");
    assert.deepEqual([first[0], second[0]], ["now", "later"]);
    assert.ok(second[1] >= at, `${at - second[1]} ms too early`);
  };
});

test("entities: several orchestrations use one", (w) => {
  const name = counters(w);
  const caller = w.orchestrator(async function* (ctx, { key, n }) { return yield ctx.entities.callEntity(new ID(name, key), "add", n); });
  return async () => {
    const key = newID();
    for (const s of await Promise.all([10, 20, 30].map((n) => run(caller, { key, n })))) completed(s);
    assert.deepEqual(await state(new ID(name, key)), { count: 60 });
  };
});

test("entities: an ID that is too long is refused", (w) => {
  const name = counters(w);
  return async () => assert.rejects(client.signalEntity(new ID(name, "x".repeat(1_000)), "add", 1), (e) => e.code === 3);
});

test("entities: queries by prefix, page by page, with and without state", (w) => {
  const name = counters(w);
  return async () => {
    const prefix = newID();
    await Promise.all([1, 2, 3, 4, 5].map((n) => client.signalEntity(new ID(name, `${prefix}-${n}`), "add", n)));
    for (const n of [1, 2, 3, 4, 5]) await becomes(new ID(name, `${prefix}-${n}`), { count: n });
    const query = { instanceIdStartsWith: `@${name}@${prefix}`, includeState: true };
    const found = await all(client.getEntities(query));
    assert.deepEqual(found.map((e) => e.state.count).sort(), [1, 2, 3, 4, 5]);
    const pages = await all(client.getEntities({ ...query, pageSize: 2 }).asPages());
    assert.ok(pages.length >= 3 && pages.every((p) => p.values.length <= 2), `pages of ${pages.map((p) => p.values.length)}`);
    assert.equal(pages.flatMap((p) => p.values).length, 5);
    for (const e of await all(client.getEntities({ ...query, includeState: false }))) assert.ok(!e.includesState);
    assert.equal((await all(client.getEntities({ instanceIdStartsWith: name }))).length, 5, "a name without signs is a prefix too");
    const hour = 3600_000;
    assert.equal((await all(client.getEntities({ ...query, lastModifiedFrom: new Date(Date.now() - hour), lastModifiedTo: new Date(Date.now() + hour) }))).length, 5);
    assert.equal((await all(client.getEntities({ ...query, lastModifiedFrom: new Date(Date.now() + hour) }))).length, 0);
    assert.equal((await all(client.getEntities({ ...query, lastModifiedTo: new Date(Date.now() - hour) }))).length, 0);
  };
});

test("entities: queries the storage is cleaned of what is empty, and of nothing else", (w) => {
  const name = counters(w);
  return async () => {
    const empty = new ID(name, newID()), full = new ID(name, newID());
    await client.signalEntity(empty, "add", 1);
    await client.signalEntity(full, "add", 200);
    await becomes(empty, { count: 1 });
    await client.signalEntity(empty, "delete");
    await until(async () => (await client.getEntity(empty)) === undefined, "it is empty");
    await becomes(full, { count: 200 });
    for (const request of [undefined, { removeEmptyEntities: true, releaseOrphanedLocks: true }, { removeEmptyEntities: true, releaseOrphanedLocks: false }]) {
      const r = await client.cleanEntityStorage(request);
      assert.ok(r.emptyEntitiesRemoved >= 0 && r.orphanedLocksReleased === 0, JSON.stringify(r));
    }
    assert.deepEqual(await state(full), { count: 200 });
    assert.deepEqual(await all(client.getEntities({ instanceIdStartsWith: empty.toString(), includeTransient: true })), []);
  };
});

test("critical sections: calls within one, and what the orchestration knows of it", (w) => {
  const name = counters(w);
  const locker = w.orchestrator(async function* (ctx, key) {
    const id = new ID(name, key);
    const seen = [ctx.entities.isInCriticalSection().inSection];
    const lock = yield ctx.entities.lockEntities(id);
    seen.push(ctx.entities.isInCriticalSection().inSection);
    const values = [yield ctx.entities.callEntity(id, "add", 100), yield ctx.entities.callEntity(id, "add", 50)];
    lock.release();
    seen.push(ctx.entities.isInCriticalSection().inSection);
    lock.release(); // again, which does nothing
    return { seen, values, after: yield ctx.entities.callEntity(id, "get") };
  });
  return async () => {
    const s = completed(await run(locker, newID()), { seen: [false, true, false], values: [100, 150], after: 150 });
    const types = (await client.getOrchestrationHistory(s.instanceId)).map((e) => e.type);
    for (const [type, n] of [["EntityLockRequested", 1], ["EntityLockGranted", 1], ["EntityUnlockSent", 1]]) {
      assert.equal(types.filter((t) => t === type).length, n, type);
    }
  };
});

test("critical sections: several entities, sorted, each once", (w) => {
  const name = counters(w);
  const locker = w.orchestrator(async function* (ctx, key) {
    const ids = ["z", "a", "m"].map((k) => new ID(name, `${key}-${k}`));
    const lock = yield ctx.entities.lockEntities(...ids, ids[0]);
    const locked = ctx.entities.isInCriticalSection().lockedEntities.map((e) => e.key.at(-1));
    for (const [i, id] of ids.entries()) yield ctx.entities.callEntity(id, "add", i + 1);
    lock.release();
    return locked;
  });
  return async () => {
    const key = newID();
    completed(await run(locker, key), ["a", "m", "z"]);
    for (const [i, k] of ["z", "a", "m"].entries()) await becomes(new ID(name, `${key}-${k}`), { count: i + 1 });
  };
});

test("critical sections: who has the lock is seen, others wait, and then go on", (w) => {
  const name = counters(w);
  const locker = w.orchestrator(async function* (ctx, key) {
    const id = new ID(name, key);
    const lock = yield ctx.entities.lockEntities(id);
    yield ctx.entities.callEntity(id, "add", 1);
    yield ctx.waitForExternalEvent("release");
    const count = yield ctx.entities.callEntity(id, "get");
    lock.release();
    return count;
  });
  return async () => {
    const key = newID(), id = new ID(name, key);
    const holder = await client.scheduleNewOrchestration(locker, key);
    await until(async () => (await client.getEntity(id))?.lockedBy === holder, "the holder is seen");
    await client.signalEntity(id, "add", 100);
    await until(async () => (await client.getEntity(id)).backlogQueueSize === 1, "the signal waits");
    await client.raiseOrchestrationEvent(holder, "release");
    completed(await ended(holder), 1);
    await becomes(id, { count: 101 });
    assert.equal((await client.getEntity(id)).lockedBy, undefined);
  };
});

test("critical sections: transfers between accounts lose nothing", (w) => {
  const name = w.entity(() => new Account(), "Account");
  const transfer = w.orchestrator(async function* (ctx, { from, to }) {
    const a = new ID(name, from), b = new ID(name, to);
    const lock = yield ctx.entities.lockEntities(a, b);
    const { balance } = yield ctx.entities.callEntity(a, "all");
    yield ctx.createTimer(0.02);
    if (balance >= 10) {
      yield ctx.entities.callEntity(a, "withdraw", 10);
      yield ctx.entities.callEntity(b, "deposit", 10);
    }
    lock.release();
    return balance >= 10;
  });
  return async () => {
    const key = newID(), keys = [0, 1, 2].map((i) => `${key}-${i}`);
    for (const k of keys) await client.signalEntity(new ID(name, k), "deposit", 20);
    const pairs = Array.from({ length: 18 }, (_, i) => ({ from: keys[i % 3], to: keys[(i + 1 + (i % 2)) % 3] }));
    for (const s of await Promise.all(pairs.map((p) => run(transfer, p)))) completed(s);
    const balances = await Promise.all(keys.map(async (k) => (await state(new ID(name, k))).balance));
    assert.equal(balances.reduce((a, b) => a + b), 60, `balances ${balances}`);
    assert.ok(balances.every((b) => b >= 0));
  };
});

test("critical sections: read, wait and write do not mix with those of others", (w) => {
  const name = counters(w);
  const adder = w.orchestrator(async function* (ctx, { key, n }) {
    const id = new ID(name, key);
    const lock = yield ctx.entities.lockEntities(id);
    const before = yield ctx.entities.callEntity(id, "get");
    yield ctx.createTimer(0.05);
    const after = yield ctx.entities.callEntity(id, "add", n);
    lock.release();
    return after - before === n;
  });
  return async () => {
    const key = newID();
    for (const s of await Promise.all([10, 20, 30, 40].map((n) => run(adder, { key, n })))) completed(s, true);
    await becomes(new ID(name, key), { count: 100 });
  };
});

for (const [how, end] of [
  ["fails", (id) => client.raiseOrchestrationEvent(id, "fail")],
  ["completes without release", (id) => client.raiseOrchestrationEvent(id, "complete")],
  ["is terminated", (id) => client.terminateOrchestration(id, "enough")],
]) {
  test(`critical sections: the locks of an orchestration that ${how} are free`, (w) => {
    const name = counters(w);
    const locker = w.orchestrator(async function* (ctx, key) {
      yield ctx.entities.lockEntities(new ID(name, key));
      yield dt.whenAny([ctx.waitForExternalEvent("complete"), ctx.waitForExternalEvent("fail")].map((t, i) => { if (i === 1) ctx.failing = t; return t; }));
      if (ctx.failing.isComplete) throw new Error("it fails");
    });
    return async () => {
      const key = newID(), id = new ID(name, key);
      const holder = await client.scheduleNewOrchestration(locker, key);
      await until(async () => (await client.getEntity(id))?.lockedBy === holder, "the lock is held");
      await client.signalEntity(id, "add", 1);
      await end(holder);
      await ended(holder);
      await becomes(id, { count: 1 });
    };
  });
}

test("critical sections: what the rules forbid is an error of the orchestration", (w) => {
  const name = counters(w);
  const breaker = w.orchestrator(async function* (ctx, key) {
    const id = new ID(name, key), other = new ID(name, `${key}-other`);
    const lock = yield ctx.entities.lockEntities(id);
    const errors = [];
    for (const act of [() => ctx.entities.lockEntities(other), () => ctx.entities.callEntity(other, "get"), () => ctx.entities.signalEntity(id, "add", 1)]) {
      try { act(); errors.push("allowed"); } catch (e) { errors.push("refused"); }
    }
    const value = yield ctx.entities.callEntity(id, "add", 1);
    lock.release();
    return [errors, value];
  });
  return async () => completed(await run(breaker, newID()), [["refused", "refused", "refused"], 1]);
});
