"""A load of orchestrations beside all cases that bear it, while the server is killed.

What kills it is told how far all is, see killed.py, and holds the activities that the
workers were given against the histories.
"""

import time
from collections import Counter
from datetime import timedelta

from durabletask import history, task
from durabletask.entities import EntityInstanceId

import run  # noqa: F401
import harness
from entities_ import call, counter
from harness import equal, unique

WAVES, JOBS, DONE = 5, 14, 2  # how often jobs are started; how many; those of them that the next ones wait for


def work(ctx, _):
    time.sleep(0.03)  # so that some are at work when the server ends
    return 1


def below(ctx, _):
    return (yield ctx.call_activity(work))


def job(ctx, _):
    n = 0
    for _ in range(3):
        n += yield ctx.call_activity(work)
    n += sum((yield task.when_all([ctx.call_activity(work) for _ in range(4)])))
    n += yield ctx.call_sub_orchestrator(below)
    yield ctx.create_timer(timedelta(milliseconds=20))
    yield ctx.call_entity(EntityInstanceId("counter", "jobs"), "add", 1)
    ctx.signal_entity(EntityInstanceId("counter", "signals"), "add", 1)
    with (yield ctx.lock_entities([EntityInstanceId("counter", "a"), EntityInstanceId("counter", "b")])):
        a = yield ctx.call_entity(EntityInstanceId("counter", "a"), "add", 1)
        b = yield ctx.call_entity(EntityInstanceId("counter", "b"), "add", 1)
    return [n, a == b]


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
    impatient = h.new_worker("load", [job, below, call], [work], [counter], name="impatient")
    ordinary = h.new_worker("load", [job, below, call], [work], [counter], name="ordinary", resiliency_options=None)
    jobs = []

    def ended(h):
        for i in jobs:
            equal(h.ended(i, client=c).get_output(), [8, True])

    def answered(h):
        for i in jobs:
            once(c.get_orchestration_history(i))

    def counted(h):
        i = c.schedule_new_orchestration(call, input=["@counter@jobs", ["get", None]])
        equal(h.ended(i, client=c).get_output(), [len(jobs)])
        for name in ("signals", "a", "b"):
            harness.eventually(lambda: c.get_entity(EntityInstanceId("counter", name)).get_typed_state() == len(jobs))

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
                h.ended(i, client=c)
        for name, f in (
            ("every orchestration of the load completes, with its result", ended),
            ("each task, timer and sub-orchestration has one answer in its history", answered),
            ("entities have counted each call and each signal once", counted),
        ):
            harness.run_one(h, name, f)


if __name__ == "__main__":
    harness.main(load)
