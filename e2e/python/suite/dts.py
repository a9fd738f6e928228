"""The package for the Durable Task Scheduler, given the parts of a connection string to this server.

It has nothing that reads one: programs take it apart, as this one does.
"""

import argparse
import asyncio

from durabletask.azuremanaged.client import AsyncDurableTaskSchedulerClient, DurableTaskSchedulerClient
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker

import basics
import entities_
import harness
from harness import COMPLETED, QUIET, case, equal, unique


class Given(harness.Harness):
    """Workers and clients as programs make them that were given a connection string."""

    def __init__(self, text):
        parts = dict(p.split("=", 1) for p in text.split(";"))
        assert parts["Authentication"] == "None", parts
        self.to = {"host_address": parts["Endpoint"], "taskhub": parts["TaskHub"], "token_credential": None, "logger": QUIET}
        self.client = DurableTaskSchedulerClient(**self.to)

    def worker(self, orchestrators=(), activities=(), entities=()):
        w = DurableTaskSchedulerWorker(**self.to)
        for f in orchestrators:
            w.add_orchestrator(f)
        for f in activities:
            w.add_activity(f)
        for f in entities:
            w.add_entity(f)
        return w


@case("connection strings: a worker and a client")
def _(h):
    with h.worker([basics.sequence], [basics.plus_one]) as w:
        w.start()
        equal(h.run(basics.sequence, 1), list(range(1, 12)))


@case("connection strings: retries, sub-orchestrations and timers, which are not cut into steps")
def _(h):
    with h.worker([basics.retrying_parent, basics.flaky_child, basics.sleepy], [basics.next_attempt]) as w:
        w.start()
        equal(h.run(basics.retrying_parent, 2), 2)
        i = h.start(basics.sleepy, 30 * 24 * 3600)
        h.client.wait_for_orchestration_start(i, timeout=20)
        harness.eventually(lambda: "TimerCreated" in h.kinds(i))
        equal(h.kinds(i).count("TimerCreated"), 1)
        h.client.terminate_orchestration(i)


@case("connection strings: entities and critical sections")
def _(h):
    with h.worker([entities_.call, entities_.transfer], [], [entities_.counter, entities_.Account]) as w:
        w.start()
        a, b = unique("a"), unique("b")
        equal(h.run(entities_.call, [f"@account@{a}", ["deposit", 10]]), [10])
        equal(h.run(entities_.transfer, [a, b, 4]), "done")
        equal(h.run(entities_.call, [f"@account@{b}", ["balance", None]]), [4])


@case("connection strings: the asynchronous client")
def _(h):
    async def go():
        async with AsyncDurableTaskSchedulerClient(**h.to) as c:
            i = await c.schedule_new_orchestration(basics.mirror, input="hello")
            s = await c.wait_for_orchestration_completion(i, timeout=20)
            equal((s.runtime_status, s.get_output()), (COMPLETED, "hello"))
    with h.worker([basics.mirror]) as w:
        w.start()
        asyncio.run(go())


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("connection", help="Endpoint=...;TaskHub=...;Authentication=None")
    h = Given(p.parse_args().connection)
    for name, f, _ in harness.CASES:
        if name.startswith("connection strings: "):
            harness.run_one(h, name, f)
