"""What the cases share: the registry, workers and clients, and how a case ends."""

import argparse
import concurrent.futures
import json
import logging
import sys
import threading
import time
import traceback
import uuid

import grpc

from durabletask import client, worker

CASES = []  # (name, function, kill)
ORCHESTRATORS, ACTIVITIES, ENTITIES = [], [], []
OUT = threading.Lock()

COMPLETED = client.OrchestrationStatus.COMPLETED
FAILED = client.OrchestrationStatus.FAILED
PENDING = client.OrchestrationStatus.PENDING
RUNNING = client.OrchestrationStatus.RUNNING
SUSPENDED = client.OrchestrationStatus.SUSPENDED
TERMINATED = client.OrchestrationStatus.TERMINATED

QUIET = logging.getLogger("suite")
QUIET.setLevel(logging.CRITICAL)


def case(name, kill=False):
    """Registers a case, FEATURE: TEXT. With kill it is also run while the server is
    killed again and again: it must not count how often an activity runs, nor how
    long something takes."""
    def register(f):
        CASES.append((name, f, kill))
        return f
    return register


def orchestrator(f):
    """Registers an orchestrator with the worker that all cases share."""
    ORCHESTRATORS.append(f)
    return f


def activity(f):
    ACTIVITIES.append(f)
    return f


def entity(f):
    ENTITIES.append(f)
    return f


def say(line):
    with OUT:
        print(json.dumps(line), flush=True)


def unique(prefix="i"):
    return f"{prefix}-{uuid.uuid4().hex}"


def eventually(f, timeout=20, why="it has not come to pass"):
    """Calls f until it returns something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        got = f()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"{why} after {timeout} s: {got!r}")
        time.sleep(0.02)


def equal(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


def refused(f, code=None, text=""):
    """Calls f, which the server must refuse."""
    try:
        f()
    except grpc.RpcError as e:
        assert code is None or e.code() == code, f"refused with {e.code()}: {e.details()}"
        assert text in e.details(), f"refused with {e.details()!r}, want {text!r} in it"
        return e
    raise AssertionError("it was not refused")


TRANSIENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)


class Patient:
    """A client that calls again when the server is away. A start that was committed
    although its answer was lost is found to be there."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        f = getattr(self.inner, name)
        if not callable(f):
            return f

        def call(*args, **kw):
            end, again = time.monotonic() + 60, False
            if name == "schedule_new_orchestration" and not kw.get("instance_id"):
                kw["instance_id"] = unique()
            while True:
                try:
                    return f(*args, **kw)
                except grpc.RpcError as e:
                    if again and name == "schedule_new_orchestration" and e.code() == grpc.StatusCode.ALREADY_EXISTS:
                        return kw["instance_id"]
                    if e.code() not in TRANSIENT or time.monotonic() > end:
                        raise
                again = True
                time.sleep(0.05)
        return call


class Harness:
    def __init__(self, address, kill):
        self.address, self.kill = address, kill
        self.client = self.new_client("default")
        self.worker = self.new_worker("default")
        for f in ORCHESTRATORS:
            self.worker.add_orchestrator(f)
        for f in ACTIVITIES:
            self.worker.add_activity(f)
        for f in ENTITIES:
            self.worker.add_entity(f)

    def new_client(self, hub, **kw):
        c = client.TaskHubGrpcClient(host_address=self.address, metadata=[("taskhub", hub)], logger=QUIET, **kw)
        return Patient(c) if self.kill else c

    def new_worker(self, hub, orchestrators=(), activities=(), entities=(), **kw):
        """A worker that is not yet started."""
        kw.setdefault("concurrency_options", worker.ConcurrencyOptions(maximum_thread_pool_workers=16))
        kw.setdefault("resiliency_options", worker.GrpcWorkerResiliencyOptions(
            reconnect_backoff_base_seconds=0.1, reconnect_backoff_cap_seconds=1))
        w = worker.TaskHubGrpcWorker(host_address=self.address, metadata=[("taskhub", hub)], logger=QUIET, **kw)
        for f in orchestrators:
            w.add_orchestrator(f)
        for f in activities:
            w.add_activity(f)
        for f in entities:
            w.add_entity(f)
        return w

    def start(self, f, input=None, **kw):
        return self.client.schedule_new_orchestration(f, input=input, **kw)

    def ended(self, instance, want=COMPLETED, timeout=40, client=None):
        """Waits for the end of an orchestration, which must be the one that is wanted."""
        state = (client or self.client).wait_for_orchestration_completion(instance, timeout=timeout)
        assert state is not None, f"instance {instance} is not there"
        assert state.runtime_status == want, f"instance {instance} is {state.runtime_status}, want {want}: {state.failure_details}"
        return state

    def run(self, f, input=None, want=COMPLETED, **kw):
        """Runs an orchestration and returns its output."""
        state = self.ended(self.start(f, input, **kw), want)
        return state.failure_details if want == FAILED else state.get_output()

    def status(self, instance, want, timeout=20):
        """Waits until an orchestration has a status."""
        def look():
            state = self.client.get_orchestration_state(instance)
            return state if state is not None and state.runtime_status == want else None
        return eventually(look, timeout, f"instance {instance} is not {want}")

    def history(self, instance):
        return self.client.get_orchestration_history(instance)

    def kinds(self, instance):
        """The kinds of an instance's events, without the Event at their ends."""
        return [type(e).__name__.removesuffix("Event") for e in self.history(instance)]


def run_one(h, name, f):
    if h.kill:
        name = "kill: " + name
    begin = time.monotonic()
    try:
        f(h)
    except Exception as e:  # noqa: BLE001 - whatever it is, the case has failed
        where = "".join(traceback.format_exception(e)[-6:])
        say({"test": name, "ok": False, "error": f"{e!r}\n{where}", "ms": int((time.monotonic() - begin) * 1000)})
        return False
    say({"test": name, "ok": True, "ms": int((time.monotonic() - begin) * 1000)})
    return True


def main(more=None):
    """Runs the cases, and more(h) at the same time. An exception of more ends it all."""
    p = argparse.ArgumentParser()
    p.add_argument("--address", required=True, help="HOST:PORT of the server")
    p.add_argument("--only", default="", help="run cases with this in their names")
    p.add_argument("--kill", action="store_true", help="the server is killed meanwhile")
    p.add_argument("--threads", type=int, default=12)
    a = p.parse_args()
    h = Harness(a.address, a.kill)
    cases = [(n, f) for n, f, k in CASES if a.only in n and (k or not a.kill)]
    with h.worker, concurrent.futures.ThreadPoolExecutor(a.threads) as pool:
        h.worker.start()
        if more:
            extra = threading.Thread(target=lambda: more(h), daemon=True)
            extra.start()
        list(pool.map(lambda c: run_one(h, *c), cases))
        if more:
            extra.join()
    sys.stdout.flush()
