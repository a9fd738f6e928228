// Retries: policies and handlers, of activities and of sub-orchestrations.
"use strict";
const { assert, completed, dt, failed, run, test } = require("./harness");
const { RetryPolicy } = dt;

// flaky fails as often as it is told, with errors of these types, then returns v. An
// activity that runs again, since the server was killed, ends as it did before.
function flaky(times, v, type = () => "Error") {
  const at = [], attempts = [];
  const fn = async (ctx) => { // each run of an orchestration is an attempt, each number of an activity
    const attempt = ctx.taskId === undefined ? `run ${at.length}` : `${ctx.orchestrationId} ${ctx.taskId}`;
    if (!attempts.includes(attempt)) {
      attempts.push(attempt);
      at.push(Date.now());
    }
    const n = attempts.indexOf(attempt) + 1;
    if (n <= times) {
      const e = new Error(`failure ${n}`);
      e.name = type(n);
      throw e;
    }
    return v;
  };
  return { fn, at };
}

const policy = (more) => new RetryPolicy({ maxNumberOfAttempts: 5, firstRetryIntervalInMilliseconds: 50, backoffCoefficient: 1, ...more });

// Each kind of work that can be retried.
const kinds = {
  activity: (w, f, retry) => {
    const a = w.activity(f);
    return w.orchestrator(async function* (ctx) { return yield ctx.callActivity(a, undefined, { retry }); });
  },
  "sub-orchestration": (w, f, retry) => {
    const c = w.orchestrator(f);
    return w.orchestrator(async function* (ctx) { return yield ctx.callSubOrchestrator(c, undefined, { retry }); });
  },
};

for (const [kind, define] of Object.entries(kinds)) {
  test(`retries: by a policy, an ${kind} that fails twice succeeds`, (w) => {
    const { fn, at } = flaky(2, 42);
    const name = define(w, fn, policy());
    return async () => {
      completed(await run(name), 42);
      assert.equal(at.length, 3);
    };
  });

  test(`retries: by a policy, an ${kind} fails with the last failure when its attempts are used up`, (w) => {
    const { fn, at } = flaky(99);
    const name = define(w, fn, policy({ maxNumberOfAttempts: 3 }));
    return async () => {
      failed(await run(name), /failure 3/);
      assert.equal(at.length, 3);
    };
  });

  test(`retries: by a policy, an ${kind} is not retried if the predicate says so`, (w) => {
    const { fn, at } = flaky(99, 0, (n) => (n === 1 ? "RetryableError" : "FatalError"));
    const name = define(w, fn, policy({ handleFailure: (f) => f.errorType === "RetryableError" }));
    return async () => {
      failed(await run(name), /failure 2/);
      assert.equal(at.length, 2);
    };
  });

  test(`retries: by a handler, an ${kind} is tried again while the handler says so`, (w) => {
    const { fn, at } = flaky(2, "done");
    const seen = [];
    const name = define(w, fn, async (r) => { seen.push(r); return r.lastAttemptNumber < 5; });
    return async () => {
      completed(await run(name), "done");
      assert.equal(at.length, 3);
      assert.equal(seen[0].lastFailure.message, "failure 1");
      assert.ok(seen[0].orchestrationContext.instanceId && seen[0].totalRetryTimeInMilliseconds >= 0);
    };
  });

  test(`retries: by a handler, an ${kind} fails when the handler says no`, (w) => {
    const { fn, at } = flaky(99, 0, () => "FatalError");
    const name = define(w, fn, async (r) => r.lastFailure.errorType !== "FatalError");
    return async () => {
      failed(await run(name), /failure 1/);
      assert.equal(at.length, 1);
    };
  });

  test(`retries: by a handler, an ${kind} waits as long as the handler says`, (w) => {
    const { fn, at } = flaky(2, "done");
    const name = define(w, fn, async (r) => (r.lastAttemptNumber >= 5 ? false : 150));
    return async () => {
      completed(await run(name), "done");
      assert.ok(at[1] - at[0] >= 145 && at[2] - at[1] >= 145, `attempts at ${at.map((t) => t - at[0])}`);
    };
  });
}

test("retries: by a policy, the wait grows by the coefficient", (w) => {
  const { fn, at } = flaky(3, "done");
  const name = kinds.activity(w, fn, policy({ firstRetryIntervalInMilliseconds: 100, backoffCoefficient: 2 }));
  return async () => {
    completed(await run(name), "done");
    const waits = at.slice(1).map((t, i) => t - at[i]);
    assert.ok(waits[0] >= 95 && waits[1] >= 195 && waits[2] >= 395, `waits of ${waits}`);
  };
});

test("retries: by a policy, the wait is at most the longest", (w) => {
  const { fn, at } = flaky(3, "done");
  const name = kinds.activity(w, fn, policy({ firstRetryIntervalInMilliseconds: 100, backoffCoefficient: 50, maxRetryIntervalInMilliseconds: 150 }));
  return async () => {
    completed(await run(name), "done");
    assert.ok(at[3] - at[1] < 4_900, `waits of ${at.slice(1).map((t, i) => t - at[i])}`);
  };
});

test("retries: by a policy, no attempt is made after the time for all of them", (w) => {
  const { fn, at } = flaky(99);
  const name = kinds.activity(w, fn, policy({ maxNumberOfAttempts: 100, firstRetryIntervalInMilliseconds: 3_000, retryTimeoutInMilliseconds: 8_000 }));
  return async () => {
    failed(await run(name));
    assert.ok(at.length >= 2 && at.length <= 5, `${at.length} attempts`);
  };
});

test("retries: by a policy, a failure's message can decide", (w) => {
  const { fn, at } = flaky(99);
  const name = kinds.activity(w, fn, policy({ handleFailure: (f) => f.message.includes("failure 1") }));
  return async () => {
    failed(await run(name), /failure 2/);
    assert.equal(at.length, 2);
  };
});

test("retries: by a policy, an activity that nobody knows fails after its attempts", (w) => {
  const name = w.orchestrator(async function* (ctx) {
    yield ctx.callActivity("thereIsNoSuchActivity", undefined, { retry: policy({ maxNumberOfAttempts: 2 }) });
  });
  return async () => failed(await run(name), /thereIsNoSuchActivity/);
});

test("retries: by a policy, several are retried at the same time", (w) => {
  const all = [flaky(1, "a"), flaky(2, "b"), flaky(0, "c")];
  const activities = all.map((f) => w.activity(f.fn));
  const name = w.orchestrator(async function* (ctx) { return yield dt.whenAll(activities.map((a) => ctx.callActivity(a, undefined, { retry: policy() }))); });
  return async () => completed(await run(name), ["a", "b", "c"]);
});

test("retries: by a policy, each attempt and each wait is in the history", (w) => {
  const { client } = require("./harness");
  const { fn } = flaky(2, "done");
  const name = kinds.activity(w, fn, policy());
  return async () => {
    const { instanceId } = completed(await run(name), "done");
    const types = (await client.getOrchestrationHistory(instanceId)).map((e) => e.type);
    const count = (t) => types.filter((x) => x === t).length;
    assert.deepEqual([count("TaskScheduled"), count("TaskFailed"), count("TaskCompleted"), count("TimerCreated"), count("TimerFired")], [3, 2, 1, 2, 2]);
  };
});

test("retries: by a handler, a handler that does not wait makes no timers", (w) => {
  const { client } = require("./harness");
  const { fn } = flaky(2, "done");
  const name = kinds.activity(w, fn, (r) => r.lastAttemptNumber < 5);
  return async () => {
    const { instanceId } = completed(await run(name), "done");
    const types = (await client.getOrchestrationHistory(instanceId)).map((e) => e.type);
    assert.ok(!types.includes("TimerCreated"), types.join(" "));
  };
});

test("retries: by a handler, a synchronous handler is one, also when it is wrapped", (w) => {
  const a = flaky(1, 1), b = flaky(1, 2);
  const first = w.activity(a.fn), second = w.activity(b.fn);
  const handler = (r) => r.lastAttemptNumber < 3;
  const name = w.orchestrator(async function* (ctx) {
    return [yield ctx.callActivity(first, undefined, { retry: handler }), yield ctx.callActivity(second, undefined, { retry: dt.toAsyncRetryHandler(handler) })];
  });
  return async () => completed(await run(name), [1, 2]);
});

test("retries: by a handler, the waits may grow", (w) => {
  const { fn, at } = flaky(3, "done");
  const name = kinds.activity(w, fn, (r) => 50 * 2 ** (r.lastAttemptNumber - 1));
  return async () => {
    completed(await run(name), "done");
    assert.ok(at[1] - at[0] >= 48 && at[2] - at[1] >= 98 && at[3] - at[2] >= 198, `attempts at ${at.map((t) => t - at[0])}`);
  };
});
