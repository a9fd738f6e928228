"""External events, continue-as-new, custom status, suspending, terminating."""

from datetime import timedelta

import grpc

from durabletask import task

from basics import nothing
from harness import RUNNING, SUSPENDED, TERMINATED, case, equal, eventually, orchestrator, refused, unique, within


@orchestrator
def three_events(ctx, _):
    got = []
    for name in ("A", "B", "C"):
        got.append((yield ctx.wait_for_external_event(name)))
    return got


@case("external events: some come before they are waited for")
def _(h):
    i = h.start(three_events)
    for name in ("C", "B", "A"):
        h.client.raise_orchestration_event(i, name, data={"name": name})
    equal(h.ended(i).get_output(), [{"name": "A"}, {"name": "B"}, {"name": "C"}])


@case("external events: they come after they are waited for, and names match in any case")
def _(h):
    i = h.start(three_events)
    h.client.wait_for_orchestration_start(i, timeout=within(20))
    for n, name in enumerate(("a", "b", "c")):
        h.client.raise_orchestration_event(i, name, data=n)
    equal(h.ended(i).get_output(), [0, 1, 2])


@orchestrator
def same_event(ctx, n: int):
    waits = [ctx.wait_for_external_event("e") for _ in range(n)]
    return (yield task.when_all(waits))


@case("external events: several of one name come in their order")
def _(h):
    i = h.start(same_event, 5)
    for n in range(5):
        h.client.raise_orchestration_event(i, "e", data=n)
    equal(h.ended(i).get_output(), [0, 1, 2, 3, 4])


@case("external events: those that nobody waits for change nothing")
def _(h):
    i = h.start(same_event, 1)
    h.client.raise_orchestration_event(i, "unknown", data=1)
    h.client.raise_orchestration_event(i, "e")
    equal(h.ended(i).get_output(), [None])
    h.client.raise_orchestration_event(i, "e", data="too late")
    equal(h.ended(i).get_output(), [None])


@case("external events: one for an instance that is not there is refused")
def _(h):
    refused(lambda: h.client.raise_orchestration_event("no-such-instance", "e"), grpc.StatusCode.NOT_FOUND, "no-such-instance")


@orchestrator
def approval(ctx, seconds: float):
    asked = ctx.wait_for_external_event("approval")
    late = ctx.create_timer(timedelta(seconds=seconds))
    if (yield task.when_any([asked, late])) == asked:
        return asked.get_result()
    return "timed out"


@case("external events: a wait ends by the event or by its timer")
def _(h):
    i = h.start(approval, 3600)
    h.client.raise_orchestration_event(i, "approval", data="approved")
    equal(h.ended(i).get_output(), "approved")
    equal(h.run(approval, 0.2), "timed out")


@orchestrator
def ping(ctx, other):
    ctx.send_event(other, "ping", data=ctx.instance_id)
    return (yield ctx.wait_for_external_event("pong"))


@orchestrator
def pong(ctx, _):
    other = yield ctx.wait_for_external_event("ping")
    ctx.send_event(other, "pong", data="ponged")
    return "done"


@case("external events: orchestrations send them to each other")
def _(h):
    other = h.start(pong)
    equal(h.run(ping, other), "ponged")
    h.ended(other)


@orchestrator
def generations(ctx, n: int):
    yield ctx.create_timer(timedelta(milliseconds=1))
    if n < 30:
        ctx.continue_as_new(n + 1)
        return
    return n


@case("continue-as-new: thirty generations keep the ID and the time of creation")
def _(h):
    i = h.start(generations, 0)
    created = h.client.get_orchestration_state(i).created_at
    s = h.ended(i)
    equal((s.get_output(), s.created_at, s.get_input()), (30, created, 30))
    equal(h.kinds(i).count("ExecutionStarted"), 1)


@orchestrator
def collecting(ctx, got: list):
    got.append((yield ctx.wait_for_external_event("item")))
    if len(got) < 10:
        ctx.continue_as_new(got, save_events=True)
        return
    return got


@case("continue-as-new: events that have come go with it, in their order")
def _(h):
    i = h.start(collecting, [])
    for n in range(10):
        h.client.raise_orchestration_event(i, "item", data=n)
    equal(h.ended(i).get_output(), list(range(10)))


@orchestrator
def forgetting(ctx, generation: int):
    if generation == 1:
        return (yield task.when_any([ctx.wait_for_external_event("e"), ctx.create_timer(timedelta(seconds=0.2))])).__class__.__name__
    yield ctx.wait_for_external_event("go")
    ctx.continue_as_new(1)


@case("continue-as-new: events that have come stay behind unless they are to be saved")
def _(h):
    i = h.start(forgetting, 0)
    h.client.raise_orchestration_event(i, "e")
    h.client.raise_orchestration_event(i, "go")
    equal(h.ended(i).get_output(), "TimerTask")


@orchestrator
def upgrading(ctx, _):
    if ctx.version == "1.0":
        yield ctx.create_timer(timedelta(0))
        ctx.continue_as_new(None, new_version="2.0")
        return
    return ctx.version


@case("continue-as-new: with a new version")
def _(h):
    equal(h.run(upgrading, version="1.0"), "2.0")


@orchestrator
def reporting(ctx, _):
    ctx.set_custom_status("starting")
    yield ctx.wait_for_external_event("next")
    ctx.set_custom_status({"step": 2, "of": [1, 2]})
    yield ctx.wait_for_external_event("next")
    ctx.set_custom_status("last")
    return "done"


@case("custom status: it is seen as it changes, and the last one stays")
def _(h):
    i = h.start(reporting)

    def shows(want):
        eventually(lambda: h.client.get_orchestration_state(i).get_custom_status() == want, why=f"no status {want}")
    shows("starting")
    h.client.raise_orchestration_event(i, "next")
    shows({"step": 2, "of": [1, 2]})
    h.client.raise_orchestration_event(i, "next")
    equal(h.ended(i).get_custom_status(), "last")
    equal(h.client.get_orchestration_state(i, fetch_payloads=False).get_custom_status(), None)


@case("suspend and resume: nothing goes on meanwhile, and nothing is lost")
def _(h):
    i = h.start(same_event, 2)
    h.client.wait_for_orchestration_start(i, timeout=within(20))
    h.client.suspend_orchestration(i, reason="a pause")
    h.status(i, SUSPENDED)
    h.client.suspend_orchestration(i)
    h.client.raise_orchestration_event(i, "e", data=1)
    h.client.raise_orchestration_event(i, "e", data=2)
    try:
        h.client.wait_for_orchestration_completion(i, timeout=0.5)
        raise AssertionError("it went on")
    except TimeoutError:
        pass
    equal(h.client.get_orchestration_state(i).runtime_status, SUSPENDED)
    h.client.resume_orchestration(i, reason="on we go")
    equal(h.ended(i).get_output(), [1, 2])
    kinds = h.history(i)
    assert any(type(e).__name__ == "ExecutionSuspendedEvent" and e.input == "a pause" for e in kinds), kinds
    assert any(type(e).__name__ == "ExecutionResumedEvent" and e.input == "on we go" for e in kinds), kinds


@case("suspend and resume: what has ended stays as it is")
def _(h):
    i = h.start(nothing)
    h.ended(i)
    h.client.suspend_orchestration(i)
    h.client.resume_orchestration(i)
    h.ended(i)
    for f in (h.client.suspend_orchestration, h.client.resume_orchestration):
        refused(lambda: f("no-such-instance"), grpc.StatusCode.NOT_FOUND)


@orchestrator
def waiting_child(ctx, _):
    yield ctx.wait_for_external_event("never")


@orchestrator
def waiting_parent(ctx, children: list):
    yield task.when_all([ctx.call_sub_orchestrator(waiting_child, instance_id=i) for i in children])


@case("terminate: the output is the one that is given")
def _(h):
    i = h.start(same_event, 1)
    h.client.wait_for_orchestration_start(i, timeout=within(20))
    h.client.terminate_orchestration(i, output={"why": "enough"})
    equal(h.ended(i, TERMINATED).get_output(), {"why": "enough"})
    h.client.terminate_orchestration(i, output="again")
    equal(h.ended(i, TERMINATED).get_output(), {"why": "enough"})
    refused(lambda: h.client.terminate_orchestration("no-such-instance"), grpc.StatusCode.NOT_FOUND)


@case("terminate: while it is suspended")
def _(h):
    i = h.start(same_event, 1)
    h.client.suspend_orchestration(i)
    h.status(i, SUSPENDED)
    h.client.terminate_orchestration(i)
    h.ended(i, TERMINATED)


@case("terminate: with all below it, or alone")
def _(h):
    for recursive, want in ((True, TERMINATED), (False, RUNNING)):
        children = [unique("child") for _ in range(3)]
        i = h.start(waiting_parent, children)
        for c in children:
            h.status(c, RUNNING)
        h.client.terminate_orchestration(i, recursive=recursive)
        h.ended(i, TERMINATED)
        for c in children:
            h.status(c, want)
            h.client.terminate_orchestration(c)


@orchestrator
def parent_of_terminated(ctx, c):
    try:
        yield ctx.call_sub_orchestrator(waiting_child, instance_id=c)
    except task.TaskFailedError as e:
        return e.details.message


@case("terminate: a child's end fails its parent's call")
def _(h):
    c = unique("child")
    i = h.start(parent_of_terminated, c)
    h.status(c, RUNNING)
    h.client.terminate_orchestration(c)
    assert h.ended(i).get_output()


@case("terminate: before any worker has taken it")
def _(h):
    c = h.new_client("no-workers")
    i = c.schedule_new_orchestration(same_event, input=1)
    c.terminate_orchestration(i, output="never ran")
    equal(h.ended(i, TERMINATED, client=c).get_output(), "never ran")
