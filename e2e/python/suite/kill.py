"""A load of orchestrations, and the cases that bear it, while the server is killed.

Prints {"kill": n} when the server is to be killed and started again, and knows
nothing more of it: clients call again, workers connect again by themselves. Each
activity writes a line into a ledger when it takes effect, so that what ran more
than once is known: an activity may, when its answer was lost. Nothing else may
happen twice.
"""

import os
import sys
import tempfile
import time
from collections import Counter
from datetime import timedelta

from durabletask import history, task
from durabletask.entities import EntityInstanceId

import run  # noqa: F401
import harness
from entities_ import call, counter
from harness import FAILED, equal, unique

WAVES, JOBS, DONE = 5, 14, 2  # kills; jobs started before each; those of them that have ended by then
LEDGER = os.path.join(tempfile.mkdtemp(prefix="ledger-"), "ledger")


def book(ctx, key):
    with open(LEDGER, "a") as f:
        f.write(f"{key}\n")
    time.sleep(0.03)  # so that some are at work when the server ends
    return 1


def below(ctx, key):
    return (yield ctx.call_activity(book, input=f"{key}/below"))


def job(ctx, _):
    n = 0
    for i in range(3):
        n += yield ctx.call_activity(book, input=f"{ctx.instance_id}/step-{i}")
    n += sum((yield task.when_all([ctx.call_activity(book, input=f"{ctx.instance_id}/fan-{i}") for i in range(4)])))
    n += yield ctx.call_sub_orchestrator(below, input=ctx.instance_id)
    yield ctx.create_timer(timedelta(milliseconds=20))
    yield ctx.call_entity(EntityInstanceId("counter", "jobs"), "add", 1)
    ctx.signal_entity(EntityInstanceId("counter", "signals"), "add", 1)
    with (yield ctx.lock_entities([EntityInstanceId("counter", "a"), EntityInstanceId("counter", "b")])):
        a = yield ctx.call_entity(EntityInstanceId("counter", "a"), "add", 1)
        b = yield ctx.call_entity(EntityInstanceId("counter", "b"), "add", 1)
    return [n, a == b]


KEYS = [f"step-{i}" for i in range(3)] + [f"fan-{i}" for i in range(4)] + ["below"]


def once(events):
    """Holds that whatever was begun has exactly one answer."""
    begun, ended = Counter(), Counter()
    for e in events:
        match e:
            case history.TaskScheduledEvent() | history.TimerCreatedEvent() | history.SubOrchestrationInstanceCreatedEvent():
                begun[e.event_id] += 1
            case history.TaskCompletedEvent() | history.SubOrchestrationInstanceCompletedEvent():
                ended[e.task_scheduled_id] += 1
            case history.TimerFiredEvent():
                ended[e.timer_id] += 1
            case history.TaskFailedEvent() | history.SubOrchestrationInstanceFailedEvent():
                raise AssertionError(f"a task has failed: {e}")
    equal(ended, begun)
    equal(set(begun.values()) - {1}, set())
    equal(sum(isinstance(e, history.ExecutionStartedEvent) for e in events), 1)
    equal(sum(isinstance(e, history.ExecutionCompletedEvent) for e in events), 1)


def load(h):
    c = h.new_client("load")
    impatient = h.new_worker("load", [job, below, call], [book], [counter])
    ordinary = h.new_worker("load", [job, below, call], [book], [counter], resiliency_options=None)
    jobs = []

    def ended(h):
        for i in jobs:
            equal(h.ended(i, client=c, timeout=60).get_output(), [8, True])

    def answered(h):
        for i in jobs:
            once(c.get_orchestration_history(i))

    def counted(h):
        i = c.schedule_new_orchestration(call, input=["@counter@jobs", ["get", None]])
        equal(h.ended(i, client=c).get_output(), [len(jobs)])
        for name in ("signals", "a", "b"):
            harness.eventually(lambda: c.get_entity(EntityInstanceId("counter", name)).get_typed_state() == len(jobs))

    def booked(h):
        with open(LEDGER) as f:
            lines = Counter(f.read().split())
        equal(set(lines), {f"{i}/{k}" for i in jobs for k in KEYS})
        again = sum(n - 1 for n in lines.values())
        harness.say({"activities": len(lines), "ran again": again})
        assert again <= len(lines) / 2, f"{again} of {len(lines)} activities ran again"

    with impatient, ordinary:
        impatient.start()
        ordinary.start()
        for wave in range(WAVES):
            new = []
            for _ in range(JOBS):
                new.append(c.schedule_new_orchestration(job, instance_id=unique(f"job-{wave}")))
                time.sleep(0.02)  # so that they are not all at the same place
            jobs.extend(new)
            for i in new[:DONE]:
                c.wait_for_orchestration_completion(i, timeout=60)
            harness.say({"kill": wave})
            time.sleep(0.3)
        for name, f in (
            ("every orchestration of the load completes, with its result", ended),
            ("each task, timer and sub-orchestration has one answer in its history", answered),
            ("entities have counted each call and each signal once", counted),
            ("every activity ran, and few of them again", booked),
        ):
            harness.run_one(h, name, f)


if __name__ == "__main__":
    sys.argv.append("--kill")
    harness.main(load)
