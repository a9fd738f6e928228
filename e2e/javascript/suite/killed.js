// The cases of the suite while the server is killed and started again at random.
// Who kills it reads the lines that are printed, of which four kinds are not of cases:
//
//   {"stream": n}    a worker has opened its stream of that number
//   {"begin": case}  a case begins
//   {"given": key, "by": n, "of": w, "since": t, "at": u}
//                    a worker of that name was given an activity, by its stream of that
//                    number, and when that was asked for
//   {"ended": id}    a client has seen the end of an instance
//
// Clients call again by themselves only what asks, and what can be asked whether it
// is done. A case of which another call was cut off is run anew, with orchestrations
// of its own: nobody can know whether an event whose answer did not come was taken.
// Whatever else goes wrong is the case's failure, as ever.
"use strict";
const { AsyncLocalStorage } = require("node:async_hooks");
const { randomUUID } = require("node:crypto");
const { setTimeout: sleep } = require("node:timers/promises");
const grpc = require("@grpc/grpc-js");

const on = process.env.NETHERITE_KILLED === "1";
// copies is how often a case may begin.
const copies = on ? 8 : 1;
// running is the case that a call belongs to: { cut } counts its calls that were cut off.
const running = new AsyncLocalStorage();
let streams = 0, workers = 0;

const away = (e) => [grpc.status.UNAVAILABLE, grpc.status.CANCELLED].includes(e?.code)
  || /starting or stopping|ECONNREFUSED|ECONNRESET|EPIPE|socket hang up|fetch failed/.test(`${e?.code} ${e?.message} ${e?.cause?.code}`);

// say prints a line for who kills the server.
const say = (line) => { if (on) console.log(JSON.stringify(line)); };

// counts notes the calls of a case that were cut off.
function counts(options, next) {
  const mine = running.getStore();
  return new grpc.InterceptingCall(next(options), {
    start: (metadata, _, go) => go(metadata, {
      onReceiveStatus(status, pass) {
        if (mine && away(status)) mine.cut++;
        pass(status);
      },
    }),
  });
}

// tells notes which activities a worker is given. It looks at what goes by, and
// changes nothing.
const tells = (of) => (options, next) => {
  if (!options.method_definition.path.endsWith("/GetWorkItems")) return new grpc.InterceptingCall(next(options));
  const by = ++streams, since = Date.now();
  return new grpc.InterceptingCall(next(options), {
    start: (metadata, _, go) => go(metadata, {
      onReceiveMetadata(answer, pass) {
        say({ stream: by });
        pass(answer);
      },
      onReceiveMessage(item, pass) {
        const a = item?.getActivityrequest(), o = a?.getOrchestrationinstance();
        if (a) say({ given: `${o.getInstanceid()} ${o.getExecutionid()?.getValue()} ${a.getTaskid()}`, by, of, since, at: Date.now() });
        pass(item);
      },
    }),
  });
};

const clientOptions = () => (on ? { options: { interceptors: [counts], "grpc.initial_reconnect_backoff_ms": 50, "grpc.max_reconnect_backoff_ms": 200 } } : {});
const workerOptions = () => (on ? { options: { interceptors: [tells(String(++workers))] } } : {});

// asks are calls that change nothing.
const asks = new Set([
  "getOrchestrationState", "waitForOrchestrationStart", "listInstanceIds", "getOrchestrationHistory",
  "getEntity", "getStatusBy", "getStatusAll", "readEntityState",
]);

// ends are questions whose answers may tell that an instance has ended, and how.
const ends = {
  waitForOrchestrationCompletion: (state) => state !== undefined,
  getStatus: (status) => ["Completed", "Failed", "Terminated"].includes(status.runtimeStatus),
};

// told passes an answer on, and says that the instance has ended if it tells so.
const told = (id, over) => (answer) => {
  if (over(answer)) say({ ended: id });
  return answer;
};

// again calls fn until the server answers.
async function again(fn) {
  for (;;) {
    try {
      return await fn();
    } catch (e) {
      if (!away(e)) throw e;
      const mine = running.getStore();
      if (mine && typeof e.code === "number") mine.cut--; // it is called again
      await sleep(50);
    }
  }
}

// start starts an orchestration under an ID, and if the answer does not come asks
// whether it is there.
async function start(client, name, input, options) {
  const given = typeof options === "string" ? { instanceId: options } : options;
  const o = { ...given, instanceId: given?.instanceId || randomUUID() };
  for (let first = true; ; first = false) {
    if (!first && await again(() => client.getOrchestrationState(o.instanceId, false))) return o.instanceId;
    try {
      return await client.scheduleNewOrchestration(name, input, o);
    } catch (e) {
      if (!away(e)) throw e;
      const mine = running.getStore();
      if (mine) mine.cut--; // it is called again
      await sleep(50);
    }
  }
}

// patient is a client that waits for the server while it is away. The calls of one
// that speaks HTTP do not go through counts.
function patient(client, { http = false } = {}) {
  if (!on) return client;
  return new Proxy(client, {
    get(inner, name) {
      const f = inner[name];
      if (typeof f !== "function") return f;
      if (ends[name]) return (id, ...rest) => again(() => f.call(inner, id, ...rest)).then(told(id, ends[name]));
      if (asks.has(name)) return (...args) => again(() => f.apply(inner, args));
      if (name === "scheduleNewOrchestration") return (fn, input, options, ...rest) => (rest.length ? f.call(inner, fn, input, options, ...rest) : start(inner, fn, input, options));
      return http ? watched(f.bind(inner)) : f.bind(inner);
    },
  });
}

// watched is a function whose calls are noted if they were cut off.
function watched(fn) {
  const noted = (e) => {
    const mine = running.getStore();
    if (mine && away(e)) mine.cut++;
    throw e;
  };
  return (...args) => {
    const result = fn(...args);
    return typeof result?.catch === "function" ? result.catch(noted) : result;
  };
}

// fetch is the one of the platform, of which a call that was cut off is noted.
const fetch = watched(async (...args) => {
  const answer = await globalThis.fetch(...args);
  if (on && answer.status === 503) throw new Error("starting or stopping");
  return answer;
});

// attempt runs a case, anew while what fails is that calls of it were cut off. run
// makes what the case does with the copy of its orchestrations of that number; ready
// waits until the server is there.
async function attempt(name, run, ready) {
  for (let n = 0; ; n++) {
    const mine = { cut: 0 };
    say({ begin: name });
    try {
      return await running.run(mine, () => run(n));
    } catch (e) {
      if (!on || mine.cut === 0 || n + 1 === copies) throw e;
      console.log(`${name}: ${mine.cut} calls were cut off, it begins anew`);
      await ready();
    }
  }
}

// unrepeatable are cases that a kill changes by right, with why.
const unrepeatable = [
  [/activities are called by their functions/, "the names of functions cannot be had twice"],
  [/queries of more than a page|purge by status and time/, "what it finds is whatever the hub has"],
  [/purge: by status and time/, "it has a worker of its own: one that does not reach the server at first never tries again"],
  [/one that has ended is$/, "a start under a used ID that was cut off cannot be asked for: the ID is there in any case"],
  [/the logger: each line|an orchestration without anything|code that does not do|unique IDs: those of an orch/, "it counts or compares the runs of a step"],
  [/a child runs, and its|ten activities run at once|what comes later than|is compensated/, "it counts the runs of an activity or an operation"],
  [/retries: .* an sub-orchestration/, "it counts the runs of the sub-orchestration, which do not know which attempt they are"],
  [/the wait grows by the coefficient/, "it compares times"],
  [/fan-out: the first of several wins/, "which of two activities is the first is a matter of time, and a kill may take the result of one"],
];

const bears = (name) => !on || !unrepeatable.some(([pattern]) => pattern.test(name));

// named is a case's name while the server is killed. What is of another package keeps
// its feature.
const named = (name) => (!on ? name : name.startsWith("HTTP client: ") ? name.replace(": ", ": kill: ") : `kill: ${name}`);

module.exports = { attempt, bears, clientOptions, copies, fetch, named, on, patient, workerOptions };
