"""Versions, work item filters, several workers, task hubs, and what the SDK builds on top."""

import asyncio
import gzip
import json
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone

from durabletask import client, entities, history, task, worker
from durabletask.entities import EntityInstanceId
from durabletask.extensions import history_export as export
from durabletask.scheduled import (ScheduleCreationOptions, ScheduledTaskClient, ScheduleInvalidTransitionError, ScheduleQuery,
                                   ScheduleStatus, ScheduleUpdateOptions, AsyncScheduledTaskClient)
from durabletask.worker import (ActivityWorkItemFilter, ConcurrencyOptions, EntityWorkItemFilter, OrchestrationWorkItemFilter,
                                VersionFailureStrategy, VersioningOptions, VersionMatchStrategy, WorkItemFilters)

from basics import echo, mirror, nothing, plus_one, sequence, sleepy
from entities_ import Account, call, counter
from harness import COMPLETED, FAILED, PENDING, QUIET, RUNNING, case, equal, eventually, orchestrator, unique, within


@orchestrator
def my_version(ctx, _):
    return ctx.version


@orchestrator
def parent_of_version(ctx, version):
    return (yield ctx.call_sub_orchestrator(my_version, version=version))


@case("versions: an orchestration knows its own, and the client's default")
def _(h):
    equal(h.run(my_version), None)
    equal(h.run(my_version, version="1.2.3"), "1.2.3")
    c = h.new_client("default", default_version="9.0")
    equal(h.ended(c.schedule_new_orchestration(my_version)).get_output(), "9.0")
    equal(h.ended(c.schedule_new_orchestration(my_version, version="9.1")).get_output(), "9.1")
    equal(h.run(parent_of_version, "4.0"), "4.0")


def versioned(match, failure, version="2.0", default=None):
    return VersioningOptions(version=version, default_version=default, match_strategy=match, failure_strategy=failure)


@case("versions: every strategy of matching, with failure")
def _(h):
    matches = {
        VersionMatchStrategy.NONE: {None: True, "1.0": True, "2.0": True, "10.0": True},
        VersionMatchStrategy.STRICT: {None: False, "1.0": False, "2.0": True, "10.0": False},
        VersionMatchStrategy.CURRENT_OR_OLDER: {None: True, "1.0": True, "2.0": True, "10.0": False},
    }
    for match, cases in matches.items():
        hub = unique("versions")
        c = h.new_client(hub)
        with h.new_worker(hub, [my_version]) as w:
            w.use_versioning(versioned(match, VersionFailureStrategy.FAIL))
            w.start()
            for version, good in cases.items():
                i = c.schedule_new_orchestration(my_version, version=version)
                s = h.ended(i, COMPLETED if good else FAILED, client=c)
                if not good:
                    equal(s.failure_details.error_type, "VersionMismatch")


@case("versions: sub-orchestrations have the worker's default")
def _(h):
    hub = unique("versions")
    c = h.new_client(hub)
    with h.new_worker(hub, [my_version, parent_of_version]) as w:
        w.use_versioning(versioned(VersionMatchStrategy.NONE, VersionFailureStrategy.FAIL, default="3.3"))
        w.start()
        equal(h.ended(c.schedule_new_orchestration(parent_of_version), client=c).get_output(), "3.3")


@case("versions: what a worker rejects waits for one that takes it")
def _(h):
    hub = unique("versions")
    c = h.new_client(hub)
    with h.new_worker(hub, [my_version]) as old:
        old.use_versioning(versioned(VersionMatchStrategy.CURRENT_OR_OLDER, VersionFailureStrategy.REJECT, "1.0"))
        old.start()
        i = c.schedule_new_orchestration(my_version, version="2.0")
        h.ended(c.schedule_new_orchestration(my_version, version="1.0"), client=c)
        time.sleep(0.7)
        assert c.get_orchestration_state(i).runtime_status in (PENDING, RUNNING)
        with h.new_worker(hub, [my_version]) as new:
            new.use_versioning(versioned(VersionMatchStrategy.CURRENT_OR_OLDER, VersionFailureStrategy.REJECT, "2.0"))
            new.start()
            equal(h.ended(i, client=c).get_output(), "2.0")


def filters(orchestrations=(), activities=(), entities=(), versions=()):
    return WorkItemFilters(
        orchestrations=[OrchestrationWorkItemFilter(name=n, versions=list(versions)) for n in orchestrations],
        activities=[ActivityWorkItemFilter(name=n) for n in activities],
        entities=[EntityWorkItemFilter(name=n) for n in entities])


@case("work item filters: those made from what is registered, and none")
def _(h):
    for use in (lambda w: w.use_work_item_filters(), lambda w: None,
                lambda w: (w.use_work_item_filters(filters(["other"])), w.use_work_item_filters(None))):
        hub = unique("filters")
        c = h.new_client(hub)
        with h.new_worker(hub, [sequence, call], [plus_one], [counter]) as w:
            use(w)
            w.start()
            equal(len(h.ended(c.schedule_new_orchestration(sequence, input=1), client=c).get_output()), 11)
            equal(h.ended(c.schedule_new_orchestration(call, input=["@counter@k", ["add", 1]]), client=c).get_output(), [1])


@case("work item filters: what no worker wants stays pending until one does")
def _(h):
    hub = unique("filters")
    c = h.new_client(hub)
    with h.new_worker(hub, [nothing, mirror]) as w:
        w.use_work_item_filters(filters(["mirror"]))
        w.start()
        i = c.schedule_new_orchestration(nothing)
        equal(h.ended(c.schedule_new_orchestration(mirror, input=1), client=c).get_output(), 1)
        equal(c.get_orchestration_state(i).runtime_status, PENDING)
        with h.new_worker(hub, [nothing]) as other:
            other.use_work_item_filters()
            other.start()
            h.ended(i, client=c)


@case("work item filters: orchestrations, activities and entities on three workers")
def _(h):
    hub = unique("filters")
    c = h.new_client(hub)
    names = []

    def noting(ctx, x: int):
        names.append("activities")
        return x

    def using(ctx, _):
        a = yield ctx.call_activity("noting", input=1)
        b = yield ctx.call_entity(EntityInstanceId("counter", "k"), "add", 5)
        return [a, b]
    with h.new_worker(hub, [using]) as a, h.new_worker(hub, [], [noting]) as b, h.new_worker(hub, [], [], [counter]) as e:
        for w in (a, b, e):
            w.use_work_item_filters()
            w.start()
        equal(h.ended(c.schedule_new_orchestration(using), client=c).get_output(), [1, 5])
    equal(set(names), {"activities"})  # a kill may let it run again


@case("work item filters: entities that are not named are left")
def _(h):
    hub = unique("filters")
    c = h.new_client(hub)
    with h.new_worker(hub, [call], [], [counter, Account]) as w:
        w.use_work_item_filters(filters(["call"], [], ["counter"]))
        w.start()
        blocked = c.schedule_new_orchestration(call, input=["@account@k", ["deposit", 1]])
        equal(h.ended(c.schedule_new_orchestration(call, input=["@counter@k", ["add", 1]]), client=c).get_output(), [1])
        equal(c.get_orchestration_state(blocked).runtime_status, RUNNING)


@case("work item filters: by version, and strictly")
def _(h):
    for explicit in (True, False):
        hub = unique("filters")
        c = h.new_client(hub)
        with h.new_worker(hub, [my_version]) as w:
            if explicit:
                w.use_work_item_filters(filters(["my_version"], versions=["2.0", "2.1"]))
            else:
                w.use_versioning(VersioningOptions(version="2.0", match_strategy=VersionMatchStrategy.STRICT))
                w.use_work_item_filters()
            w.start()
            others = [c.schedule_new_orchestration(my_version, version=v) for v in ("1.0", None, "2.0.1")]
            equal(h.ended(c.schedule_new_orchestration(my_version, version="2.0"), client=c).get_output(), "2.0")
            equal([c.get_orchestration_state(i).runtime_status for i in others], [PENDING] * 3)


@case("workers: two share the work, and each takes some", unkilled="it counts the runs of activities, which wait for each other")
def _(h):
    hub = unique("workers")
    c = h.new_client(hub)
    names, gate = {"a": 0, "b": 0}, threading.Barrier(2)

    def doing(name):
        def work(ctx, x: int):
            names[name] += 1
            gate.wait(20)  # both are at work at the same time
            return x
        return work

    def split(ctx, n: int):
        return (yield task.when_all([ctx.call_activity("work", input=i) for i in range(n)]))
    limit = ConcurrencyOptions(maximum_concurrent_activity_work_items=1, maximum_thread_pool_workers=4)
    with h.new_worker(hub, [split], [doing("a")], concurrency_options=limit) as a, \
            h.new_worker(hub, [split], [doing("b")], concurrency_options=limit) as b:
        a.start()
        b.start()
        equal(h.ended(c.schedule_new_orchestration(split, input=20), client=c).get_output(), list(range(20)))
    equal(names, {"a": 10, "b": 10})


@case("workers: one that takes one thing at a time is never given two",
      unkilled="what it had when the server was killed goes on beside what it is given by the next one")
def _(h):
    hub = unique("workers")
    c = h.new_client(hub)
    now, most, lock = [0], [0], threading.Lock()

    def slow(ctx, x: int):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1

    def many(ctx, n: int):
        yield task.when_all([ctx.call_activity(slow, input=i) for i in range(n)])
    with h.new_worker(hub, [many], [slow], concurrency_options=ConcurrencyOptions(1, 1, 1, 8)) as w:
        w.start()
        for i in [c.schedule_new_orchestration(many, input=10) for _ in range(2)]:
            h.ended(i, client=c)
    equal(most[0], 1)


@case("workers: one stops, and another one goes on where it was")
def _(h):
    hub = unique("workers")
    c = h.new_client(hub)

    def steps(ctx, _):
        a = yield ctx.call_activity(plus_one, input=1)
        b = yield ctx.wait_for_external_event("go")
        return [a, b, (yield ctx.call_activity(plus_one, input=b))]
    with h.new_worker(hub, [steps], [plus_one]) as w:
        w.start()
        i = c.schedule_new_orchestration(steps)
        eventually(lambda: any(isinstance(e, history.TaskCompletedEvent) for e in c.get_orchestration_history(i)))
    c.raise_orchestration_event(i, "go", data=5)
    j = c.schedule_new_orchestration(steps)
    time.sleep(0.2)
    equal(c.get_orchestration_state(j).runtime_status, PENDING)
    c.raise_orchestration_event(j, "go", data=7)
    with h.new_worker(hub, [steps], [plus_one]) as w:
        w.start()
        equal(h.ended(i, client=c).get_output(), [2, 5, 6])
        equal(h.ended(j, client=c).get_output(), [2, 7, 8])


@case("workers: one that is started again after a stop works on")
def _(h):
    hub = unique("workers")
    c = h.new_client(hub)
    w = h.new_worker(hub, [mirror])
    for n in range(3):
        w.start()
        equal(h.ended(c.schedule_new_orchestration(mirror, input=n), client=c).get_output(), n)
        w.stop()


VICTIM = """
import sys, time
from durabletask import worker
w = worker.TaskHubGrpcWorker(host_address=sys.argv[1], metadata=[("taskhub", sys.argv[2])])
def work(ctx, x):
    print("at work", flush=True)
    time.sleep(600)
w.add_activity(work)
w.use_work_item_filters()
w.start()
time.sleep(600)
"""


@case("workers: what one had when it was killed is given to another one at once")
def _(h):
    hub = unique("workers")
    c = h.new_client(hub)

    def needing(ctx, _):
        return (yield ctx.call_activity("work", input=1))

    def work(ctx, x: int):
        return x + 1
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, h.address, hub], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        with h.new_worker(hub, [needing]) as w, h.new_worker(hub, [], [work]) as rescuer:
            w.use_work_item_filters()
            w.start()
            i = c.schedule_new_orchestration(needing)
            equal(victim.stdout.readline(), "at work\n")
            rescuer.use_work_item_filters()
            rescuer.start()
            victim.kill()
            equal(h.ended(i, client=c, timeout=20).get_output(), 2)
    finally:
        victim.kill()
        victim.wait()


@case("workers: a thousand activities at once")
def _(h):
    hub = unique("workers")
    c = h.new_client(hub)

    def soon(ctx, x: int):
        return x + 1

    def fan(ctx, n: int):
        return sum((yield task.when_all([ctx.call_activity(soon, input=i) for i in range(n)])))
    with h.new_worker(hub, [fan], [soon]) as w:
        w.start()
        equal(h.ended(c.schedule_new_orchestration(fan, input=1000), client=c, timeout=60).get_output(), 500500)


@case("task hubs: the same ID in two of them is two instances")
def _(h):
    hubs = [unique("hub") for _ in range(2)]
    clients = [h.new_client(hub) for hub in hubs]
    for hub, c in zip(hubs, clients):
        with h.new_worker(hub, [mirror]) as w:
            w.start()
            c.schedule_new_orchestration(mirror, input=hub, instance_id="same")
            equal(h.ended("same", client=c).get_output(), hub)
    for hub, c in zip(hubs, clients):
        equal([(s.instance_id, s.get_output()) for s in c.get_all_orchestration_states(
            client.OrchestrationQuery(fetch_inputs_and_outputs=True))], [("same", hub)])


@case("scheduled tasks: created, run, paused, resumed, changed, listed and deleted")
def _(h):
    hub = unique("scheduled")
    c = h.new_client(hub)
    w = h.new_worker(hub, [mirror])
    w.configure_scheduled_tasks()
    with w:
        w.start()
        s = ScheduledTaskClient(c, operation_timeout=within(30))
        one = s.create_schedule(ScheduleCreationOptions("every-second", "mirror", timedelta(seconds=1), orchestration_input="tick"))
        s.create_schedule(ScheduleCreationOptions("other", "mirror", timedelta(hours=1), start_at=datetime.now(timezone.utc) + timedelta(hours=1)))

        def ticks():
            return [x for x in c.get_all_orchestration_states(client.OrchestrationQuery(fetch_inputs_and_outputs=True)) if x.name == "mirror"]
        eventually(lambda: len(ticks()) >= 2, why="it has not run twice")
        assert all(t.get_input() == "tick" for t in ticks())
        d = one.describe()
        equal((d.status, d.orchestration_name, d.interval), (ScheduleStatus.ACTIVE, "mirror", timedelta(seconds=1)))
        assert d.last_run_at is not None and d.next_run_at is not None
        one.pause()
        equal(one.describe().status, ScheduleStatus.PAUSED)
        equal([x.schedule_id for x in s.list_schedules(ScheduleQuery(status=ScheduleStatus.PAUSED))], ["every-second"])
        n = len(ticks())
        time.sleep(1.3)
        assert len(ticks()) <= n + 1, (n, len(ticks()))
        one.update(ScheduleUpdateOptions(interval=timedelta(hours=2), orchestration_input="tock"))
        one.resume()
        equal((one.describe().status, one.describe().interval), (ScheduleStatus.ACTIVE, timedelta(hours=2)))
        equal(sorted(x.schedule_id for x in s.list_schedules()), ["every-second", "other"])
        equal([x.schedule_id for x in s.list_schedules(ScheduleQuery(schedule_id_prefix="oth"))], ["other"])
        try:
            one.resume()
            raise AssertionError("an active schedule was resumed")
        except (ScheduleInvalidTransitionError, RuntimeError):
            pass
        one.delete()
        eventually(lambda: s.get_schedule("every-second") is None)
        equal(s.get_schedule("never"), None)


@case("scheduled tasks: by the asynchronous client")
def _(h):
    hub = unique("scheduled")
    w = h.new_worker(hub, [mirror])
    w.configure_scheduled_tasks()

    async def go():
        async with h.new_async_client(hub) as c:
            s = AsyncScheduledTaskClient(c, operation_timeout=within(30))
            one = await s.create_schedule(ScheduleCreationOptions("later", "mirror", timedelta(seconds=30), start_at=datetime.now(timezone.utc) + timedelta(hours=1)))
            assert await s.get_schedule("later") is not None
            equal([x.schedule_id for x in await s.list_schedules(ScheduleQuery(schedule_id_prefix="lat"))], ["later"])
            await one.pause()
            equal((await one.describe()).status, ScheduleStatus.PAUSED)
            await one.resume()
            await one.delete()
            equal(await s.get_schedule("later"), None)
    with w:
        w.start()
        asyncio.run(go())


class Blobs:
    def __init__(self):
        self.kept = {}

    def write(self, *, instance_id, container, blob_name, payload, content_type, content_encoding, metadata=None):
        self.kept[instance_id] = gzip.decompress(payload) if content_encoding == "gzip" else payload


@case("history export: every instance that has ended is written, once")
def _(h):
    hub = unique("export")
    c, blobs = h.new_client(hub), Blobs()
    x = export.ExportHistoryClient(c, blobs)
    w = h.new_worker(hub, [mirror, sequence], [plus_one])
    x.register_worker(w)
    with w:
        w.start()
        begin = datetime.now(timezone.utc) - timedelta(minutes=1)
        ids = [c.schedule_new_orchestration(sequence, input=n) for n in range(7)]
        for i in ids:
            h.ended(i, client=c)
        job = x.create_job(export.ExportJobCreationOptions(
            mode=export.ExportMode.BATCH, completed_time_from=begin, completed_time_to=datetime.now(timezone.utc),
            destination=export.ExportDestination(container="histories"), max_instances_per_batch=3))
        done = x.wait_for_job(job.job_id, timeout=within(40), poll_interval=0.05)
        equal(done.status, export.ExportJobStatus.COMPLETED)
        equal(done.exported_instances, 7)
        equal(sorted(blobs.kept), sorted(ids))
        for text in blobs.kept.values():
            assert len([json.loads(line) for line in text.splitlines()]) >= 23
        equal([j.job_id for j in x.list_jobs()], [job.job_id])
        x.delete_job(job.job_id)
        eventually(lambda: x.get_job(job.job_id) is None)
