"""What the cases share: the registry, workers and clients, and how a case ends."""

import argparse
import concurrent.futures
import logging
import sys
import threading
import time
import traceback
import uuid

import grpc

from durabletask import client, worker

import killed
from killed import say, within

CASES = []  # (name, function, why it is not run while the server is killed)
ORCHESTRATORS, ACTIVITIES, ENTITIES = [], [], []

COMPLETED = client.OrchestrationStatus.COMPLETED
FAILED = client.OrchestrationStatus.FAILED
PENDING = client.OrchestrationStatus.PENDING
RUNNING = client.OrchestrationStatus.RUNNING
SUSPENDED = client.OrchestrationStatus.SUSPENDED
TERMINATED = client.OrchestrationStatus.TERMINATED

QUIET = logging.getLogger("suite")
QUIET.setLevel(logging.CRITICAL)


def case(name, unkilled=None):
    """Registers a case, FEATURE: TEXT. It is also run while the server is killed again
    and again, unless unkilled says why a kill changes by right what it looks at."""
    def register(f):
        CASES.append((name, f, unkilled))
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


def unique(prefix="i"):
    return f"{prefix}-{uuid.uuid4().hex}"


def eventually(f, timeout=20, why="it has not come to pass"):
    """Calls f until it returns something true, and returns that."""
    timeout = within(timeout)
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


class Harness:
    """What a case is given: a server, and a client and a worker that all cases share.
    The clients of one that is patient wait for the server while it is away."""

    def __init__(self, address, patient=killed.ON):
        self.address, self.patient = address, patient
        self.client = self.new_client("default")
        self.worker = self.new_worker("default", name="shared")
        for f in ORCHESTRATORS:
            self.worker.add_orchestrator(f)
        for f in ACTIVITIES:
            self.worker.add_activity(f)
        for f in ENTITIES:
            self.worker.add_entity(f)

    def new_client(self, hub, **kw):
        c = client.TaskHubGrpcClient(host_address=self.address, metadata=[("taskhub", hub)], logger=QUIET, **kw)
        return killed.Patient(c, hub) if self.patient else c

    def new_async_client(self, hub=None):
        metadata = [("taskhub", hub)] if hub else None
        return killed.Watched(client.AsyncTaskHubGrpcClient(host_address=self.address, metadata=metadata, logger=QUIET))

    def new_worker(self, hub, orchestrators=(), activities=(), entities=(), name="", **kw):
        """A worker that is not yet started. One with a name is never stopped before the end."""
        killed.tell({"hub": hub})
        if killed.ON:
            kw["interceptors"] = [killed.Teller(name)]
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
        state = (client or self.client).wait_for_orchestration_completion(instance, timeout=within(timeout))
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
    """Runs a case, which is given h."""
    if killed.ON:
        name = "kill: " + name
    begin = time.monotonic()
    try:
        killed.attempt(name, lambda: f(h), lambda: h.client.get_orchestration_state("ready"))
    except Exception as e:  # noqa: BLE001 - whatever it is, the case has failed
        where = "".join(traceback.format_exception(e)[-6:])
        say({"test": name, "ok": False, "error": f"{e!r}\n{where}", "ms": int((time.monotonic() - begin) * 1000)})
        return False
    say({"test": name, "ok": True, "ms": int((time.monotonic() - begin) * 1000)})
    return True


def main(more=None):
    """Runs the cases, and more(h) at the same time."""
    p = argparse.ArgumentParser()
    p.add_argument("--address", required=True, help="HOST:PORT of the server")
    p.add_argument("--only", default="", help="run cases with this in their names")
    p.add_argument("--threads", type=int, default=12)
    a = p.parse_args()
    h = Harness(a.address)
    cases = [(n, f) for n, f, unkilled in CASES if a.only in n and not (unkilled and killed.ON)]
    with h.worker, concurrent.futures.ThreadPoolExecutor(a.threads) as pool:
        h.worker.start()
        if more:
            extra = threading.Thread(target=lambda: more(h), daemon=True)
            extra.start()
        list(pool.map(lambda c: run_one(h, *c), cases))
        if more:
            extra.join()
    sys.stdout.flush()
