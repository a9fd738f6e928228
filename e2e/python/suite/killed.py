"""The cases of the suite while the server is killed and started again at random.

Who kills it reads the lines that are printed, of which five kinds are not of cases:

  {"stream": n}    a worker has opened its stream of that number
  {"begin": case}  a case begins
  {"given": key, "by": n, "of": w, "since": t, "at": u}
                   a worker of that name was given an activity, by its stream of that
                   number, and when that was asked for
  {"ended": id}    a client has seen the end of an instance
  {"hub": name}    a worker has been made for that task hub

Clients call again by themselves only what asks, and starts, of which they ask whether
they were taken. A case of which another call was cut off begins anew, with instances
of its own: nobody can know whether an event whose answer did not come was taken.
Whatever else goes wrong is the case's failure, as ever.
"""

import inspect
import json
import os
import threading
import time
import uuid

import grpc

ON = os.environ.get("NETHERITE_KILLED") == "1"

ATTEMPTS = 40 if ON else 1  # how often a case may begin: one that calls a hundred times is often cut off
LONG = 200  # seconds that anything may take while the server is killed

OUT = threading.Lock()
RUNNING = threading.local()  # .cut counts the calls of this thread's case that were cut off
NUMBERS = threading.Lock()
streams = 0  # of work
STARTED = set()  # (hub, ID) of what has been started


def say(line):
    with OUT:
        print(json.dumps(line), flush=True)


def tell(line):
    """Prints a line for who kills the server."""
    if ON:
        say(line)


def within(seconds):
    """A limit for what the server's absence draws out."""
    return max(seconds, LONG) if ON else seconds


def away(e):
    """Whether an exception says that the server was not there, or has gone."""
    if not isinstance(e, grpc.RpcError):
        return False
    return e.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED) or (
        e.code() == grpc.StatusCode.UNKNOWN and "Stream removed" in (e.details() or ""))


def now():
    return time.time() * 1000


def cut():
    RUNNING.cut = getattr(RUNNING, "cut", 0) + 1


def attempt(name, run, ready):
    """Runs a case, anew while what fails is that calls of it were cut off."""
    for n in range(1, ATTEMPTS + 1):
        RUNNING.cut = 0
        tell({"begin": name})
        try:
            return run()
        except Exception as e:  # noqa: BLE001 - whatever it is
            if not ON or n == ATTEMPTS or not (RUNNING.cut or away(e)):
                raise
        ready()


ASKS = {
    "get_orchestration_state", "get_orchestration_history", "list_instance_ids", "get_all_orchestration_states",
    "wait_for_orchestration_start", "wait_for_orchestration_completion", "get_entity", "get_all_entities",
}


def again(f):
    """Calls f until the server answers."""
    end = time.monotonic() + LONG
    while True:
        try:
            return f()
        except grpc.RpcError as e:
            if not away(e) or time.monotonic() > end:
                raise
        time.sleep(0.05)


class Patient:
    """A client that waits for the server while it is away."""

    def __init__(self, inner, hub):
        self.inner, self.hub = inner, hub

    def __getattr__(self, name):
        f = getattr(self.inner, name)
        if not callable(f):
            return f
        if name == "schedule_new_orchestration":
            return self.start
        if name == "wait_for_orchestration_completion":
            return lambda *args, **kw: self.told(again(lambda: f(*args, **kw)))
        if name in ASKS:
            return lambda *args, **kw: again(lambda: f(*args, **kw))
        return lambda *args, **kw: self.once(f, *args, **kw)

    def once(self, f, *args, **kw):
        try:
            return f(*args, **kw)
        except grpc.RpcError as e:
            if away(e):
                cut()
            raise

    def told(self, state):
        """Passes an answer on, and says that the instance has ended if it tells so."""
        if state is not None:
            tell({"ended": state.instance_id})
        return state

    def start(self, orchestrator, **kw):
        """Starts an orchestration, and if the answer does not come asks whether it is
        there. Of an ID that has been used that says nothing."""
        kw["instance_id"] = kw.get("instance_id") or uuid.uuid4().hex
        place = (self.hub, kw["instance_id"])
        if place in STARTED:
            return self.once(self.inner.schedule_new_orchestration, orchestrator, **kw)
        while True:
            try:
                i = self.inner.schedule_new_orchestration(orchestrator, **kw)
                break
            except grpc.RpcError as e:
                if not away(e):
                    raise
            time.sleep(0.05)
            if self.there(kw["instance_id"]):
                i = kw["instance_id"]
                break
        STARTED.add(place)
        return i


    def there(self, instance):
        try:
            return self.get_orchestration_state(instance, fetch_payloads=False) is not None
        except grpc.RpcError as e:
            if e.code() != grpc.StatusCode.NOT_FOUND:
                raise
            return False  # nor is its hub


class Watched:
    """An asynchronous client of which it is noted if a call was cut off."""

    def __init__(self, inner):
        self.inner = inner

    async def __aenter__(self):
        await self.inner.__aenter__()
        return self

    async def __aexit__(self, *why):
        await self.inner.__aexit__(*why)

    def __getattr__(self, name):
        f = getattr(self.inner, name)
        if not inspect.iscoroutinefunction(f):
            return f

        async def call(*args, **kw):
            try:
                return await f(*args, **kw)
            except grpc.RpcError as e:
                if away(e):
                    cut()
                raise
        return call


class Stream:
    """A stream of work. It looks at what goes by, and changes nothing."""

    def __init__(self, call, of, since):
        global streams
        with NUMBERS:
            streams += 1
            self.number = streams
        self.call, self.of, self.since = call, of, since
        threading.Thread(target=self.open, daemon=True).start()

    def open(self):
        self.call.initial_metadata()
        if self.call.is_active():
            tell({"stream": self.number})

    def __iter__(self):
        return self

    def __next__(self):
        item = next(self.call)
        if item.HasField("activityRequest"):
            a = item.activityRequest
            o = a.orchestrationInstance
            key = f"{o.instanceId} {o.executionId.value} {a.taskId}"
            tell({"given": key, "by": self.number, "of": self.of, "since": self.since, "at": now()})
        return item

    def __getattr__(self, name):
        return getattr(self.call, name)


class Teller(grpc.UnaryStreamClientInterceptor):
    """Tells what a worker is given, of that name: empty if its streams may end without a kill."""

    def __init__(self, of):
        self.of = of

    def intercept_unary_stream(self, continuation, details, request):
        since = now()
        call = continuation(details, request)
        method = details.method if isinstance(details.method, str) else details.method.decode()
        return Stream(call, self.of, since) if method.endswith("/GetWorkItems") else call
