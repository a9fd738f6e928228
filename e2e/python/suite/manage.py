"""Rewind, restart, purge, queries, history, tags, scheduled start, reuse of IDs."""

import time
from collections import Counter
from datetime import datetime, timedelta, timezone

import grpc

from durabletask import client, history, task
from durabletask.internal import orchestrator_service_pb2 as pb

from basics import echo, fail, mirror, nothing, plus_one, sleepy
from events import same_event, waiting_parent
from harness import COMPLETED, FAILED, PENDING, RUNNING, TERMINATED, activity, case, equal, eventually, orchestrator, refused, unique, within


REWINDS = Counter()  # by ID of what is rewound, how often it has been asked for


@activity
def good_after(ctx, args: list):
    """Fails until what it is below of has been rewound args times, and returns how
    often it has been: so the result says when it was made, however often it ran."""
    n = REWINDS[ctx.orchestration_id.split(":")[0]]
    if n < args:
        raise RuntimeError(f"after {n} rewinds")
    return n


def rewind(h, i, **kw):
    REWINDS[i] += 1
    h.client.rewind_orchestration(i, **kw)


@orchestrator
def rewindable(ctx, failures: int):
    a = yield ctx.call_activity(good_after, input=0)
    b = yield ctx.call_activity(good_after, input=failures)
    return [a, b]


@case("rewind: only what failed runs again")
def _(h):
    i = h.start(rewindable, 1)
    h.ended(i, FAILED)
    rewind(h, i, reason="it is repaired")
    s = h.ended(i)
    equal((s.get_output(), s.failure_details), ([0, 1], None))
    rewound = [e for e in h.history(i) if isinstance(e, history.ExecutionRewoundEvent)]
    equal([e.reason for e in rewound], ["it is repaired"])


@case("rewind: twice, and without a reason")
def _(h):
    i = h.start(rewindable, 2)
    for _ in range(2):
        h.ended(i, FAILED)
        rewind(h, i)
    equal(h.ended(i).get_output(), [0, 2])


@orchestrator
def rewindable_parent(ctx, failures: int):
    a = yield ctx.call_sub_orchestrator(rewindable, input=0)
    b = yield ctx.call_sub_orchestrator(rewindable, input=failures)
    return [a, b]


@case("rewind: what failed in a sub-orchestration runs again, and nothing else of it")
def _(h):
    i = h.start(rewindable_parent, 1)
    h.ended(i, FAILED)
    rewind(h, i, reason="below")
    equal(h.ended(i).get_output(), [[0, 0], [0, 1]])


@orchestrator
def rewindable_grandparent(ctx, failures: int):
    return (yield ctx.call_sub_orchestrator(rewindable_parent, input=failures))


@case("rewind: two levels down")
def _(h):
    i = h.start(rewindable_grandparent, 1)
    h.ended(i, FAILED)
    rewind(h, i)
    equal(h.ended(i).get_output(), [[0, 0], [0, 1]])


@orchestrator
def rewindable_fan_out(ctx, _):
    return (yield task.when_all([ctx.call_activity(good_after, input=n % 2) for n in range(6)]))


@case("rewind: several of a fan-out")
def _(h):
    i = h.start(rewindable_fan_out)
    h.ended(i, FAILED)
    rewind(h, i)
    equal(h.ended(i).get_output(), [0, 1, 0, 1, 0, 1])


@case("rewind: what has not failed, or is not there, is refused")
def _(h):
    i = h.start(nothing)
    h.ended(i)
    refused(lambda: h.client.rewind_orchestration(i), grpc.StatusCode.FAILED_PRECONDITION)
    refused(lambda: h.client.rewind_orchestration("no-such-instance"), grpc.StatusCode.NOT_FOUND)


@case("restart: under its own ID, with the input it had")
def _(h):
    i = h.start(mirror, "again", version="1.5")
    created = h.ended(i).created_at
    equal(h.client.restart_orchestration(i), i)

    def again():
        s = h.client.get_orchestration_state(i)
        return s if s.runtime_status == COMPLETED and s.created_at > created else None
    equal(eventually(again).get_output(), "again")
    started = next(e for e in h.history(i) if isinstance(e, history.ExecutionStartedEvent))
    equal((started.name, started.version), ("mirror", "1.5"))


@case("restart: under a new ID, even while it runs")
def _(h):
    i = h.start(same_event, 1)
    other = h.client.restart_orchestration(i, restart_with_new_instance_id=True)
    assert other != i
    for n, each in enumerate((i, other)):
        h.client.raise_orchestration_event(each, "e", data=n)
        equal(h.ended(each).get_output(), [n])


@case("restart: under its own ID while it runs, or when it is not there, is refused")
def _(h):
    i = h.start(same_event, 1)
    refused(lambda: h.client.restart_orchestration(i), grpc.StatusCode.FAILED_PRECONDITION)
    refused(lambda: h.client.restart_orchestration("no-such-instance"), grpc.StatusCode.NOT_FOUND)
    h.client.terminate_orchestration(i)


@case("purge: one that has ended is gone, one that runs stays")
def _(h):
    i = h.start(nothing)
    h.ended(i)
    equal(h.client.purge_orchestration(i).deleted_instance_count, 1)
    equal(h.client.get_orchestration_state(i), None)
    equal(h.client.purge_orchestration(i).deleted_instance_count, 0)
    i = h.start(same_event, 1)
    equal(h.client.purge_orchestration(i).deleted_instance_count, 0)
    h.client.raise_orchestration_event(i, "e", data=1)
    h.ended(i)


@orchestrator
def family(ctx, children: list):
    yield task.when_all([ctx.call_sub_orchestrator(nothing, instance_id=i) for i in children])


@case("purge: with all below it, or alone")
def _(h):
    for recursive, n in ((True, 4), (False, 1)):
        children = [unique("child") for _ in range(3)]
        i = h.start(family, children)
        h.ended(i)
        equal(h.client.purge_orchestration(i, recursive=recursive).deleted_instance_count, n)
        equal([h.client.get_orchestration_state(c) is None for c in children], [recursive] * 3)


@case("purge: by status, and by the time of creation")
def _(h):
    hub = unique("purge")
    c = h.new_client(hub)
    with h.new_worker(hub, [mirror, failing], [fail]) as w:
        w.start()
        old = [c.schedule_new_orchestration(mirror, input=n) for n in range(3)]
        for i in old:
            h.ended(i, client=c)
        middle = datetime.now(timezone.utc)
        time.sleep(0.01)
        bad = c.schedule_new_orchestration(failing)
        h.ended(bad, FAILED, client=c)
        new = c.schedule_new_orchestration(mirror)
        h.ended(new, client=c)
    day = timedelta(days=1)
    equal(c.purge_orchestrations_by(created_time_to=middle - day).deleted_instance_count, 0)
    equal(c.purge_orchestrations_by(runtime_status=[client.OrchestrationStatus.TERMINATED]).deleted_instance_count, 0)
    r = c.purge_orchestrations_by(created_time_from=middle - day, created_time_to=middle, runtime_status=[COMPLETED])
    equal((r.deleted_instance_count, r.is_complete), (3, True))
    r = c.purge_orchestrations_by(runtime_status=[FAILED], recursive=True, timeout=timedelta(seconds=30))
    equal(r.deleted_instance_count, 1)
    equal([s.instance_id for s in c.get_all_orchestration_states()], [new])


@orchestrator
def failing(ctx, _):
    yield ctx.call_activity(fail, input="on purpose")


@case("queries: by status, time of creation and prefix, with inputs and outputs or without")
def _(h):
    hub = unique("queries")
    c = h.new_client(hub)
    with h.new_worker(hub, [mirror, failing, same_event], [fail]) as w:
        w.start()
        begin = datetime.now(timezone.utc)
        done = [c.schedule_new_orchestration(mirror, input=n, instance_id=f"done-{n}") for n in range(5)]
        for i in done:
            h.ended(i, client=c)
        time.sleep(0.01)
        middle = datetime.now(timezone.utc)
        bad = c.schedule_new_orchestration(failing, instance_id=f"bad-{hub}")  # its activity is known by the ID alone
        h.ended(bad, FAILED, client=c)
        alive = c.schedule_new_orchestration(same_event, input=1, instance_id="alive")
        c.wait_for_orchestration_start(alive, timeout=within(20))

    def found(**kw):
        return sorted(s.instance_id for s in c.get_all_orchestration_states(client.OrchestrationQuery(**kw)))
    equal(found(), sorted([*done, bad, "alive"]))
    equal(sorted(s.instance_id for s in c.get_all_orchestration_states()), sorted([*done, bad, "alive"]))
    equal(found(runtime_status=[COMPLETED]), done)
    equal(found(runtime_status=[FAILED, RUNNING]), ["alive", bad])
    equal(found(runtime_status=[PENDING]), [])
    equal(found(instance_id_prefix="done-"), done)
    equal(found(instance_id_prefix="no"), [])
    equal(found(created_time_from=middle), ["alive", bad])
    equal(found(created_time_from=begin, created_time_to=middle), done)
    equal(found(created_time_to=begin - timedelta(days=1)), [])
    for fetch, want in ((True, ("3", "3")), (False, (None, None))):
        s = c.get_all_orchestration_states(client.OrchestrationQuery(instance_id_prefix="done-3", fetch_inputs_and_outputs=fetch))
        equal([(x.serialized_input, x.serialized_output) for x in s], [want])


@case("queries: pages of every size hold each instance once")
def _(h):
    hub = unique("pages")
    c = h.new_client(hub)
    with h.new_worker(hub, [mirror]) as w:
        w.start()
        ids = sorted(c.schedule_new_orchestration(mirror, input=n, instance_id=f"i{n:02}") for n in range(25))
        for i in ids:
            h.ended(i, client=c)
    for size in (1, 7, 25, 100):
        got = c.get_all_orchestration_states(client.OrchestrationQuery(max_instance_count=size))
        equal(sorted(s.instance_id for s in got), ids)
    got, token, pages = [], None, 0
    while True:
        page = c.list_instance_ids(page_size=5, continuation_token=token)
        got, pages, token = got + page.items, pages + 1, page.continuation_token
        if not token:
            break
        assert page.items[-1] in token, token
    equal((pages, sorted(got)), (5, ids))
    refused(lambda: c.list_instance_ids(page_size=5, continuation_token="nonsense"), grpc.StatusCode.INVALID_ARGUMENT)


@case("queries: the IDs of what has ended, by status and time of completion")
def _(h):
    hub = unique("ended")
    c = h.new_client(hub)
    with h.new_worker(hub, [mirror, failing, same_event], [fail]) as w:
        w.start()
        begin = datetime.now(timezone.utc)
        h.ended(c.schedule_new_orchestration(mirror, instance_id="done"), client=c)
        bad = c.schedule_new_orchestration(failing, instance_id=f"bad-{hub}")
        h.ended(bad, FAILED, client=c)
        c.schedule_new_orchestration(same_event, input=1, instance_id="alive")
        end = datetime.now(timezone.utc)
    equal(sorted(c.list_instance_ids().items), [bad, "done"])
    equal(c.list_instance_ids(runtime_status=[FAILED]).items, [bad])
    equal(sorted(c.list_instance_ids(completed_time_from=begin, completed_time_to=end + timedelta(seconds=5)).items), [bad, "done"])
    equal(c.list_instance_ids(completed_time_to=begin - timedelta(seconds=5)).items, [])


@orchestrator
def eventful(ctx, other):
    yield ctx.call_activity(plus_one, input=1, tags={"kind": "sum"})
    yield ctx.create_timer(timedelta(0))
    yield ctx.call_sub_orchestrator(mirror, input="below")
    yield ctx.wait_for_external_event("e")
    ctx.send_event(other, "e", data="to you")
    try:
        yield ctx.call_activity(fail, input="expected")
    except task.TaskFailedError:
        pass
    try:
        yield ctx.call_sub_orchestrator(failing)
    except task.TaskFailedError:
        pass
    return "end"


@case("history: every event is there, in its order, with what it is about")
def _(h):
    other = h.start(same_event, 1)
    i = h.start(eventful, other, tags={"a": "b"})
    eventually(lambda: "SubOrchestrationInstanceCompleted" in h.kinds(i))
    h.client.raise_orchestration_event(i, "e", data=[1])
    h.ended(i)
    h.ended(other)
    events = h.history(i)
    equal([k for k in h.kinds(i) if k != "OrchestratorStarted"], [
        "ExecutionStarted", "TaskScheduled", "TaskCompleted", "TimerCreated", "TimerFired",
        "SubOrchestrationInstanceCreated", "SubOrchestrationInstanceCompleted", "EventRaised", "EventSent",
        "TaskScheduled", "TaskFailed", "SubOrchestrationInstanceCreated", "SubOrchestrationInstanceFailed", "ExecutionCompleted"])
    by = {type(e).__name__: e for e in reversed(events)}
    equal(by["ExecutionStartedEvent"].tags, {"a": "b"})
    equal((by["TaskScheduledEvent"].name, by["TaskScheduledEvent"].input, by["TaskScheduledEvent"].tags), ("plus_one", "1", {"kind": "sum"}))
    equal((by["TaskCompletedEvent"].task_scheduled_id, by["TaskCompletedEvent"].result), (by["TaskScheduledEvent"].event_id, "2"))
    equal((by["EventRaisedEvent"].name, by["EventRaisedEvent"].input), ("e", "[1]"))
    equal((by["EventSentEvent"].instance_id, by["EventSentEvent"].name, by["EventSentEvent"].input), (other, "e", '"to you"'))
    equal(by["SubOrchestrationInstanceCompletedEvent"].result, '"below"')
    assert "expected" in by["TaskFailedEvent"].failure_details.message
    equal(by["ExecutionCompletedEvent"].result, '"end"')
    times = [e.timestamp for e in events]
    equal(times, sorted(times))
    assert all(history.to_dict(e) for e in events)


@case("history: of an instance that is not there is refused")
def _(h):
    refused(lambda: h.history("no-such-instance"), grpc.StatusCode.NOT_FOUND, "no-such-instance")


@case("history: one of ten thousand events comes whole")
def _(h):
    i = h.start(long_history, [3, 1700])
    h.ended(i, timeout=60)
    kinds = h.kinds(i)
    equal((kinds.count("TimerCreated"), kinds.count("TimerFired")), (5100, 5100))


@orchestrator
def long_history(ctx, args: list):
    for _ in range(args[0]):
        yield task.when_all([ctx.create_timer(timedelta(0)) for _ in range(args[1])])


@orchestrator
def tagged(ctx, _):
    yield ctx.call_activity(echo, input=1, tags={"of": "an activity"})


@case("tags: those of orchestrations and of activities are kept")
def _(h):
    i = h.start(tagged, tags={"team": "ä", "empty": ""})
    h.ended(i)
    by = {type(e).__name__: e for e in h.history(i)}
    equal(by["ExecutionStartedEvent"].tags, {"team": "ä", "empty": ""})
    equal(by["TaskScheduledEvent"].tags, {"of": "an activity"})


@orchestrator
def tagged_parent(ctx, _):
    yield ctx.call_sub_orchestrator(nothing)


@case("tags: a sub-orchestration has those of its parent")
def _(h):
    i = h.start(tagged_parent, tags={"team": "red"})
    h.ended(i)
    started = next(e for e in h.history(f"{i}:0001") if isinstance(e, history.ExecutionStartedEvent))
    equal(started.tags, {"team": "red"})


@case("scheduled start: it is pending until its time, and then runs", unkilled="it has a second to look")
def _(h):
    at = datetime.now(timezone.utc) + timedelta(seconds=1)
    i = h.start(when_started, start_at=at)
    equal(h.client.get_orchestration_state(i).runtime_status, PENDING)
    ran = datetime.fromisoformat(h.ended(i).get_output()).replace(tzinfo=timezone.utc)
    assert timedelta(0) <= ran - at < timedelta(seconds=10), (ran, at)


@orchestrator
def when_started(ctx, _):
    return ctx.current_utc_datetime.isoformat()


@case("scheduled start: one whose time is past runs at once, and one that waits can be terminated")
def _(h):
    h.run(when_started, start_at=datetime.now(timezone.utc) - timedelta(hours=1))
    i = h.start(when_started, start_at=datetime.now(timezone.utc) + timedelta(hours=1))
    h.client.terminate_orchestration(i)
    h.ended(i, TERMINATED)


def reuse(*statuses):
    return pb.OrchestrationIdReusePolicy(replaceableStatus=[s.value for s in statuses])


@case("reuse policies: without one a running instance is in the way, and one that has ended is replaced")
def _(h):
    i = h.start(same_event, 1)
    refused(lambda: h.start(mirror, 1, instance_id=i), grpc.StatusCode.ALREADY_EXISTS, i)
    h.client.raise_orchestration_event(i, "e", data=1)
    h.ended(i)
    h.start(mirror, "new", instance_id=i)
    equal(h.ended(i).get_output(), "new")


@case("reuse policies: what has a status of the policy is replaced, and else it is in the way")
def _(h):
    i = h.start(failing)
    h.ended(i, FAILED)
    refused(lambda: h.start(mirror, 1, instance_id=i, reuse_id_policy=reuse(COMPLETED)), grpc.StatusCode.ALREADY_EXISTS)
    h.start(same_event, 1, instance_id=i, reuse_id_policy=reuse(FAILED))
    h.client.wait_for_orchestration_start(i, timeout=within(20))
    refused(lambda: h.start(mirror, 1, instance_id=i, reuse_id_policy=reuse(FAILED, COMPLETED)), grpc.StatusCode.ALREADY_EXISTS)
    h.start(mirror, "at last", instance_id=i, reuse_id_policy=reuse(RUNNING, PENDING, TERMINATED))
    equal(h.ended(i).get_output(), "at last")


@case("reuse policies: one that makes no sense is refused")
def _(h):
    refused(lambda: h.start(mirror, 1, reuse_id_policy=reuse(RUNNING)), grpc.StatusCode.INVALID_ARGUMENT, "Terminated")


@case("reuse policies: an instance ID that is none is refused")
def _(h):
    for bad in ("a/b", "a#b", "a?b", "a\\b", "x" * 257, "a\nb"):
        refused(lambda: h.start(mirror, instance_id=bad), grpc.StatusCode.INVALID_ARGUMENT)
    equal(h.run(mirror, 1, instance_id="x" * 240 + unique("")[:9]), 1)
