"""Sequences, fan-out, retries, sub-orchestrations, timers."""

import threading
import time
from collections import Counter
from datetime import datetime, timedelta, timezone

from durabletask import task

from harness import FAILED, activity, case, equal, orchestrator, unique, within

CALLS = Counter()  # by key, how often an activity has run
LOCK = threading.Lock()


def count(key):
    with LOCK:
        CALLS[key] += 1
        return CALLS[key]


@activity
def plus_one(_, n: int) -> int:
    return n + 1


@activity
def echo(_, x):
    return x


@activity
def fail(_, message):
    raise ValueError(message)


@activity
def flaky(ctx, good_at: int) -> int:
    """Fails until its good_at-th attempt."""
    n = count(ctx.orchestration_id)
    if n < good_at:
        raise RuntimeError(f"attempt {n}")
    return n


@activity
def where_am_i(ctx, _):
    return [ctx.orchestration_id, ctx.task_id]


@orchestrator
def nothing(ctx, _):
    pass


@case("hello: an orchestration that does nothing leaves nothing")
def _(h):
    i = h.start(nothing)
    s = h.ended(i)
    equal((s.name, s.instance_id, s.failure_details), ("nothing", i, None))
    equal((s.serialized_input, s.serialized_output, s.serialized_custom_status), (None, None, None))
    assert s.created_at <= s.last_updated_at


@orchestrator
def mirror(ctx, x):
    return x


@case("hello: inputs and outputs of every JSON type go through as they are")
def _(h):
    for x in [0, -1.5, True, False, "", "text", "ä€😀\u0000\n", [1, [2, None]], {"a": {"b": [1]}, "": ""}, 2**53]:
        equal(h.run(mirror, x), x)


@case("hello: IDs and names of every kind of letter")
def _(h):
    for i in ("a b", "ä€😀", "a:b@c", "~!$%^&*()[]{};'\",.<>|`+=", "A" * 256):
        i = unique(i)[-80:] if len(i) < 100 else (unique("") + i)[:256]
        equal(h.run(mirror, i, instance_id=i), i)
        equal(h.client.get_orchestration_state(i).instance_id, i)


@case("hello: an orchestrator that no worker knows fails with its name")
def _(h):
    f = h.run("never_registered", want=FAILED)
    assert "never_registered" in f.message, f
    assert f.is_caused_by("OrchestratorNotRegisteredError"), f


@case("hello: an instance that is not there is none, and not an error")
def _(h):
    equal(h.client.get_orchestration_state("no-such-instance"), None)
    equal(h.client.wait_for_orchestration_start("no-such-instance", timeout=5), None)
    equal(h.client.wait_for_orchestration_completion("no-such-instance", timeout=5), None)


@case("hello: a wait gives up at its time")
def _(h):
    i = h.start(sleepy, 3600)
    h.client.wait_for_orchestration_start(i, timeout=within(20))
    try:
        h.client.wait_for_orchestration_completion(i, timeout=0.3)
        raise AssertionError("it did not time out")
    except TimeoutError:
        h.client.terminate_orchestration(i)


@orchestrator
def sequence(ctx, n: int):
    numbers = [n]
    for _ in range(10):
        n = yield ctx.call_activity(plus_one, input=n)
        numbers.append(n)
    return numbers


@case("sequence: ten activities, each with the result of the one before")
def _(h):
    i = h.start(sequence, 1)
    s = h.ended(i)
    equal(s.get_output(), list(range(1, 12)))
    equal((s.serialized_input, s.serialized_output), ("1", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]"))
    s = h.client.get_orchestration_state(i, fetch_payloads=False)
    equal((s.serialized_input, s.serialized_output), (None, None))


@orchestrator
def by_name(ctx, _):
    a = yield ctx.call_activity("echo", input="by name")
    b = yield ctx.call_activity(where_am_i)
    c = yield ctx.call_activity("echo")
    return [a, b, c]


@case("sequence: activities by name, which know whose they are")
def _(h):
    i = h.start(by_name)
    equal(h.ended(i).get_output(), ["by name", [i, 2], None])


@orchestrator
def compensating(ctx, _):
    try:
        yield ctx.call_activity(fail, input="no seats")
    except task.TaskFailedError as e:
        undone = yield ctx.call_activity(echo, input="undone")
        return [e.details.message, e.details.error_type, undone]


@case("sequence: a failed activity is caught and made good")
def _(h):
    equal(h.run(compensating), ["no seats", "builtins.ValueError", "undone"])


@orchestrator
def fan_out(ctx, n: int):
    return (yield task.when_all([ctx.call_activity(plus_one, input=i) for i in range(n)]))


@case("fan-out: the results of many activities come in the order of the calls")
def _(h):
    equal(h.run(fan_out, 100), list(range(1, 101)))


@orchestrator
def first(ctx, _):
    events = [ctx.wait_for_external_event(name) for name in ("a", "b", "c")]
    winner = yield task.when_any(events)
    return [events.index(winner), winner.get_result()]


@case("fan-out: the first of several goes on")
def _(h):
    i = h.start(first)
    h.client.raise_orchestration_event(i, "b", data="bee")
    equal(h.ended(i).get_output(), [1, "bee"])


@orchestrator
def some_fail(ctx, _):
    tasks = [ctx.call_activity(plus_one, input=1), ctx.call_activity(fail, input="one of them"), ctx.call_activity(plus_one, input=2)]
    try:
        yield task.when_all(tasks)
    except task.TaskFailedError as e:
        return [e.details.message, tasks[0].get_result(), tasks[2].get_result()]


@case("fan-out: all that run are waited for when one fails")
def _(h):
    equal(h.run(some_fail), ["one of them", 2, 3])


UNTOLD = "it counts the runs of an activity, and this SDK does not tell one which attempt it is"


def policy(attempts, first=0.05, **kw):
    return task.RetryPolicy(first_retry_interval=timedelta(seconds=first), max_number_of_attempts=attempts, **kw)


@orchestrator
def retrying(ctx, good_at: int):
    return (yield ctx.call_activity(flaky, input=good_at, retry_policy=policy(4, backoff_coefficient=2)))


@case("retries: an activity succeeds at its third attempt", unkilled=UNTOLD)
def _(h):
    i = h.start(retrying, 3)
    equal(h.ended(i).get_output(), 3)
    equal(h.kinds(i).count("TimerFired"), 2)


@case("retries: attempts run out, and the last failure counts")
def _(h):
    i = h.start(retrying, 99)
    f = h.ended(i, FAILED).failure_details
    n = int(f.inner_failure.message.removeprefix("attempt "))
    assert 4 <= n <= CALLS[i] <= within(4), (n, CALLS[i])
    equal([h.kinds(i).count(k) for k in ("TaskScheduled", "TaskFailed")], [4, 4])


@case("retries: the intervals grow by the coefficient up to the cap", unkilled="it compares times, which a kill draws out")
def _(h):
    i = h.start(growing)
    h.ended(i, FAILED)
    timers = [e for e in h.history(i) if type(e).__name__ == "TimerCreatedEvent"]
    begin = [e.timestamp for e in h.history(i) if type(e).__name__ == "TaskFailedEvent"]
    gaps = [round((t.fire_at.replace(tzinfo=None) - b.replace(tzinfo=None)).total_seconds(), 1) for t, b in zip(timers, begin)]
    equal(gaps, [0.1, 0.3, 0.5])


@orchestrator
def growing(ctx, _):
    yield ctx.call_activity(flaky, input=99, retry_policy=policy(
        4, 0.1, backoff_coefficient=3, max_retry_interval=timedelta(seconds=0.5)))


@orchestrator
def impatient(ctx, _):
    yield ctx.call_activity(flaky, input=99, retry_policy=policy(50, 0.2, retry_timeout=timedelta(seconds=0.7)))


@case("retries: they end at the timeout")
def _(h):
    i = h.start(impatient)
    h.ended(i, FAILED)
    n = h.kinds(i).count("TaskScheduled")
    assert 1 <= n <= 8, n


@orchestrator
def stubborn(ctx, _):
    yield ctx.call_activity("never_registered", retry_policy=policy(3))


@case("retries: an activity that no worker knows fails with its name")
def _(h):
    f = h.run(stubborn, want=FAILED)
    assert "never_registered" in f.inner_failure.message, f


@orchestrator
def flaky_child(ctx, good_at: int):
    n = yield ctx.call_activity(next_attempt, input=ctx.parent_instance_id)
    if n < good_at:
        raise RuntimeError(f"child attempt {n}")
    return n


@activity
def next_attempt(_, key):
    return count(key)


@orchestrator
def retrying_parent(ctx, good_at: int):
    return (yield ctx.call_sub_orchestrator(flaky_child, input=good_at, retry_policy=policy(3)))


@case("retries: a sub-orchestration runs again under the same ID", unkilled=UNTOLD)
def _(h):
    i = h.start(retrying_parent, 3)
    equal(h.ended(i).get_output(), 3)
    created = [e.instance_id for e in h.history(i) if type(e).__name__ == "SubOrchestrationInstanceCreatedEvent"]
    equal(created, [f"{i}:0001"] * 3)
    f = h.run(retrying_parent, 9, want=FAILED)
    assert "child attempt 3" in f.inner_failure.message, f


@orchestrator
def child(ctx, x):
    r = yield ctx.call_activity(plus_one, input=x)
    return [r, ctx.instance_id, ctx.parent_instance_id]


@orchestrator
def parent(ctx, given):
    a = yield ctx.call_sub_orchestrator(child, input=1)
    b = yield ctx.call_sub_orchestrator("child", input=2, instance_id=given)
    return [a, b, ctx.parent_instance_id]


@case("sub-orchestrations: they know their IDs and their parents")
def _(h):
    i, given = unique(), unique("child")
    h.start(parent, given, instance_id=i)
    equal(h.ended(i).get_output(), [[2, f"{i}:0001", i], [3, given, i], None])
    equal(h.ended(given).get_output(), [3, given, i])


@orchestrator
def nested(ctx, depth: int):
    if depth == 0:
        return 0
    return 1 + (yield ctx.call_sub_orchestrator(nested, input=depth - 1))


@case("sub-orchestrations: eight deep")
def _(h):
    equal(h.run(nested, 8), 8)


@orchestrator
def wide(ctx, n: int):
    return sum((yield task.when_all([ctx.call_sub_orchestrator(nested, input=1) for _ in range(n)])))


@case("sub-orchestrations: twenty at once")
def _(h):
    equal(h.run(wide, 20), 20)


@orchestrator
def failing_child(ctx, message):
    raise ArithmeticError(message)


@orchestrator
def catching_parent(ctx, _):
    try:
        yield ctx.call_sub_orchestrator(failing_child, input="sums do not add up")
    except task.TaskFailedError as e:
        return [e.details.message, e.details.error_type, bool(e.details.stack_trace)]


@case("sub-orchestrations: the parent catches the failure of its child")
def _(h):
    got = h.run(catching_parent)
    assert "sums do not add up" in got[0], got
    equal(got[1:], ["builtins.ArithmeticError", True])


@orchestrator
def clashing_parent(ctx, taken):
    try:
        yield ctx.call_sub_orchestrator(child, input=1, instance_id=taken)
    except task.TaskFailedError as e:
        return e.details.message


@case("sub-orchestrations: a child under the ID of a running one fails")
def _(h):
    taken = h.start(sleepy, 3600)
    h.client.wait_for_orchestration_start(taken, timeout=within(20))
    assert taken in h.run(clashing_parent, taken)
    h.client.terminate_orchestration(taken)


@orchestrator
def sleepy(ctx, seconds: float):
    begin = ctx.current_utc_datetime
    yield ctx.create_timer(timedelta(seconds=seconds))
    return (ctx.current_utc_datetime - begin).total_seconds()


@case("timers: a timer fires after its time, and not long after")
def _(h):
    i = h.start(sleepy, 0.5)
    took = h.ended(i).get_output()
    assert 0.5 <= took < within(5), took
    kinds = h.history(i)
    created = next(e for e in kinds if type(e).__name__ == "TimerCreatedEvent")
    fired = next(e for e in kinds if type(e).__name__ == "TimerFiredEvent")
    equal((fired.timer_id, fired.fire_at), (created.event_id, created.fire_at))
    assert fired.timestamp >= created.fire_at, (fired, created)


@case("timers: those that are due, or long overdue, fire at once")
def _(h):
    assert h.run(sleepy, 0) < within(20)
    assert h.run(sleepy, -3600) < within(20)


@orchestrator
def until(ctx, _):
    yield ctx.create_timer(datetime.now(timezone.utc) + timedelta(seconds=0.3))
    yield ctx.create_timer(ctx.current_utc_datetime + timedelta(seconds=0.3))
    return "woken"


@case("timers: at a time, with a zone or without")
def _(h):
    begin = time.monotonic()
    equal(h.run(until), "woken")
    assert time.monotonic() - begin >= 0.6


@orchestrator
def cancelling(ctx, _):
    t = ctx.create_timer(timedelta(hours=1))
    e = ctx.wait_for_external_event("go")
    winner = yield task.when_any([t, e])
    assert winner == e
    cancelled = t.cancel()
    yield ctx.create_timer(timedelta(seconds=0.05))
    return [cancelled, t.is_cancelled]


@case("timers: one that lost is cancelled, and the orchestration ends before it")
def _(h):
    i = h.start(cancelling)
    h.client.raise_orchestration_event(i, "go")
    equal(h.ended(i).get_output(), [True, True])


@orchestrator
def long_sleep(ctx, _):
    begin = ctx.current_utc_datetime
    yield ctx.create_timer(timedelta(seconds=1))
    return (ctx.current_utc_datetime - begin).total_seconds()


@case("timers: a long one goes in steps")
def _(h):
    c = h.new_client("long-timers")
    with h.new_worker("long-timers", [long_sleep], maximum_timer_interval=timedelta(seconds=0.3)) as w:
        w.start()
        i = c.schedule_new_orchestration(long_sleep)
        took = h.ended(i, client=c).get_output()
    assert 1 <= took < within(6), took
    steps = [e for e in c.get_orchestration_history(i) if type(e).__name__ == "TimerCreatedEvent"]
    assert len(steps) >= 3, steps


@orchestrator
def many_timers(ctx, n: int):
    yield task.when_all([ctx.create_timer(timedelta(milliseconds=10 * (i % 20))) for i in range(n)])
    return n


@case("timers: two hundred at once")
def _(h):
    equal(h.run(many_timers, 200), 200)
