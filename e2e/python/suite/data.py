"""Large payloads, failure details, determinism, the asynchronous client, traces."""

import asyncio
import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import grpc
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from durabletask import client, entities, history, task
from durabletask.grpc_options import GrpcChannelOptions, GrpcRetryPolicyOptions
from durabletask.payload import LargePayloadStorageOptions, PayloadStore
from durabletask.serialization import JsonDataConverter

from basics import echo, fail, mirror, plus_one
from entities_ import Account, call, counter
from events import collecting, same_event
from harness import COMPLETED, FAILED, QUIET, TERMINATED, activity, case, equal, eventually, orchestrator, refused, unique, within

MIB = 1 << 20


@orchestrator
def pass_on(ctx, text):
    got = yield ctx.call_activity(echo, input=text)
    ctx.set_custom_status(len(got))
    return got


@activity
def length(_, text):
    return len(text)


@orchestrator
def measure(ctx, text):
    return (yield ctx.call_activity(length, input=text[:len(text) // 2])) * 2


@case("large payloads: just below 2 MiB they go everywhere")
def _(h):
    text = "x" * (2 * MIB - 100)
    equal(h.run(measure, text), len(text))
    equal(len(h.run(too_much, ["result", len(text)])), len(text))
    i = h.start(same_event, 1)
    h.client.raise_orchestration_event(i, "e", data=text)
    equal(len(h.ended(i).get_output()[0]), len(text))


@case("large payloads: an entity's state just below 2 MiB")
def _(h):
    e = entities.EntityInstanceId("keeper", unique("k"))
    h.client.signal_entity(e, "set", "x" * (2 * MIB - 100))
    eventually(lambda: (m := h.client.get_entity(e)) and len(m.get_typed_state()) == 2 * MIB - 100)


@case("large payloads: an input past the limit is refused, with both sizes")
def _(h):
    for f in (lambda: h.start(mirror, "x" * (2 * MIB)),
              lambda: h.client.raise_orchestration_event(h.start(same_event, 1), "e", data="x" * (2 * MIB)),
              lambda: h.client.signal_entity(entities.EntityInstanceId("keeper", "k"), "set", "x" * (2 * MIB))):
        e = refused(f, grpc.StatusCode.INVALID_ARGUMENT)
        assert "2097154" in e.details() and "2097152" in e.details(), e.details()


@activity
def make_text(_, n: int):
    return "x" * n


@orchestrator
def too_much(ctx, args: list):
    if args[0] == "activity":
        try:
            yield ctx.call_activity(make_text, input=args[1])
        except task.TaskFailedError as e:
            return e.details.message
    if args[0] == "result":
        return (yield ctx.call_activity(make_text, input=args[1]))
    if args[0] == "input":
        yield ctx.call_activity(echo, input="x" * args[1])
    return "x" * args[1]


@case("large payloads: a result, an input or an output past the limit fails with both sizes")
def _(h):
    said = h.run(too_much, ["activity", 3 * MIB])
    assert str(3 * MIB + 2) in said and str(2 * MIB) in said, said
    for where in ("input", "output"):
        f = h.run(too_much, [where, 3 * MIB], want=FAILED)
        assert str(3 * MIB + 2) in f.message and str(2 * MIB) in f.message, f.message


@orchestrator
def hoard(ctx, n: int):
    for _ in range(n):
        yield ctx.call_activity(make_text, input=MIB)


@case("large payloads: a history that no worker can be sent fails its instance, with both sizes")
def _(h):
    f = h.run(hoard, 6, want=FAILED)
    assert "history" in f.message and "MiB" in f.message or "bytes" in f.message, f.message


class Shelf(PayloadStore):
    """A store of large payloads in memory."""

    def __init__(self):
        self.kept, self.lock = {}, threading.Lock()

    @property
    def options(self):
        return LargePayloadStorageOptions(threshold_bytes=1000, max_stored_payload_bytes=10 * MIB)

    def upload(self, data, *, instance_id=None):
        with self.lock:
            token = f"shelf:{len(self.kept)}"
            self.kept[token] = data
            return token

    async def upload_async(self, data, *, instance_id=None):
        return self.upload(data, instance_id=instance_id)

    def download(self, token):
        return self.kept[token]

    async def download_async(self, token):
        return self.download(token)

    def is_known_token(self, value):
        return value.startswith("shelf:")


@case("large payloads: past the limit they are kept elsewhere, by the SDK's store")
def _(h):
    shelf = Shelf()
    c = h.new_client("shelf", payload_store=shelf)
    with h.new_worker("shelf", [pass_on], [echo], payload_store=shelf) as w:
        w.start()
        text = "y" * (5 * MIB)
        i = c.schedule_new_orchestration(pass_on, input=text)
        equal(h.ended(i, client=c).get_output(), text)
        plain = h.new_client("shelf").get_orchestration_state(i)
        assert "shelf:" in plain.serialized_input and len(plain.serialized_input) < 100, plain.serialized_input[:100]
        scheduled = next(e for e in c.get_orchestration_history(i) if isinstance(e, history.TaskScheduledEvent))
        equal(len(scheduled.input), len(text) + 2)


def deep(n):
    try:
        if n:
            deep(n - 1)
        raise KeyError("the cause")
    except KeyError as e:
        raise OSError(f"level {n}") from e


@activity
def fail_deeply(_, n: int):
    deep(n)


@orchestrator
def failing_deeply(ctx, n: int):
    yield ctx.call_activity(fail_deeply, input=n)


@case("failure details: type, message, stack and causes of an activity come to the client")
def _(h):
    f = h.run(failing_deeply, 0, want=FAILED)
    equal(f.error_type, "durabletask.task.TaskFailedError")
    assert f.is_caused_by("TaskFailedError") and "level 0" in f.message, f
    inner = f.inner_failure
    equal((inner.error_type, inner.message), ("builtins.OSError", "level 0"))
    assert inner.is_caused_by(OSError) and not inner.is_caused_by(KeyError)
    assert "fail_deeply" in inner.stack_trace and "deep" in inner.stack_trace, inner.stack_trace


@orchestrator
def failing_levels(ctx, n: int):
    if n == 0:
        raise LookupError("at the bottom")
    yield ctx.call_sub_orchestrator(failing_levels, input=n - 1)


@case("failure details: one cause for each level of sub-orchestrations")
def _(h):
    i = h.start(failing_levels, 4)
    f = h.ended(i, FAILED).failure_details
    for _ in range(4):
        f = f.inner_failure
    equal((f.error_type, f.message), ("builtins.LookupError", "at the bottom"))
    try:
        h.client.get_orchestration_state(i).raise_if_failed()
        raise AssertionError("it was not raised")
    except client.OrchestrationFailedError as e:
        assert "failing" in str(e) or i in str(e), e


class Properties:
    def get_exception_properties(self, exception):
        return {"code": 42, "nested": {"list": [1, "two", None, True]}, "of": type(exception).__name__}


@case("failure details: properties of exceptions come through, also by way of entities")
def _(h):
    hub = unique("properties")
    c = h.new_client(hub)
    with h.new_worker(hub, [failing_deeply, failing_entity], [fail_deeply], [Account], exception_properties_provider=Properties()) as w:
        w.start()
        f = h.ended(c.schedule_new_orchestration(failing_deeply, input=0), FAILED, client=c).failure_details
        equal(f.inner_failure.properties, {"code": 42, "nested": {"list": [1, "two", None, True]}, "of": "OSError"})
        i = c.schedule_new_orchestration(failing_entity)
        f = h.ended(i, FAILED, client=c).failure_details
        failed = next(e for e in c.get_orchestration_history(i) if isinstance(e, history.EntityOperationFailedEvent))
        equal(failed.failure_details.properties["of"], "ValueError")


@orchestrator
def failing_entity(ctx, _):
    yield ctx.call_entity(entities.EntityInstanceId("Account", "poor"), "withdraw", 1)


@orchestrator
def unserializable(ctx, _):
    return object()


@case("failure details: an output that cannot be serialized")
def _(h):
    assert "object" in h.run(unserializable, want=FAILED).message


@orchestrator
def calling_out(ctx, _):
    return (yield ctx.call_activity("BuiltIn::HttpActivity", input={"method": "GET", "uri": "https://example.com"}))


@case("HTTP calls: a server that makes none says what to set")
def _(h):
    f = h.run(calling_out, want=FAILED)
    assert "calls.hosts" in f.message, f


SEEN = []


@orchestrator
def replayed(ctx, _):
    log = ctx.create_replay_safe_logger(logging.getLogger("replayed"))
    ids = [ctx.new_uuid()]
    log.warning("begin %s", ctx.instance_id)
    times = [ctx.current_utc_datetime]
    for _ in range(3):
        yield ctx.call_activity(plus_one, input=1)
        ids.append(ctx.new_uuid())
        times.append(ctx.current_utc_datetime)
        log.warning("step %s", ctx.instance_id)
    SEEN.append((ctx.instance_id, tuple(ids), tuple(times)))
    yield ctx.wait_for_external_event("end")
    return [ids, [t.isoformat() for t in times]]


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


@case("determinism: replay gives the same IDs and times, and logs only once",
      unkilled="it compares the runs of a step, of which one whose outcome was lost counts for nothing")
def _(h):
    lines = Lines()
    log = logging.getLogger("replayed")
    log.addHandler(lines)
    log.propagate = False
    i = h.start(replayed)
    eventually(lambda: any(s[0] == i for s in SEEN))
    h.client.raise_orchestration_event(i, "end")
    ids, times = h.ended(i).get_output()
    equal(len(set(ids)), 4)
    equal(sorted(times), times)
    seen = [s for s in SEEN if s[0] == i]
    assert len(seen) >= 2 and all(s == seen[0] for s in seen), seen
    equal([x for x in lines.lines if i in x], [f"begin {i}"] + [f"step {i}"] * 3)


CODE = {"name": "echo"}


@orchestrator
def changed(ctx, _):
    yield ctx.call_activity(CODE["name"], input=1)
    yield ctx.wait_for_external_event("go")


@case("determinism: code that has changed since fails, and says so")
def _(h):
    i = h.start(changed)
    eventually(lambda: "TaskCompleted" in h.kinds(i))
    CODE["name"] = "plus_one"
    try:
        h.client.raise_orchestration_event(i, "go")
        f = h.ended(i, FAILED).failure_details
    finally:
        CODE["name"] = "echo"
    assert f.is_caused_by(task.NonDeterminismError), f


@dataclass
class Order:
    item: str
    amount: int
    at: datetime | None = None


@activity
def price(_, order: Order) -> Order:
    assert isinstance(order, Order), type(order)
    return Order(order.item, order.amount * 3)


@orchestrator
def typed(ctx, order: Order):
    assert isinstance(order, Order), type(order)
    priced = yield ctx.call_activity(price, input=order, return_type=Order)
    more = yield ctx.wait_for_external_event("more", data_type=Order)
    return Order(priced.item + more.item, priced.amount + more.amount)


@case("determinism: typed inputs, results and events are of their types again")
def _(h):
    i = h.start(typed, Order("tea", 2))
    h.client.raise_orchestration_event(i, "more", data=Order("pot", 1))
    equal(h.ended(i).get_output(Order), Order("teapot", 7))


class Shouting(JsonDataConverter):
    def serialize(self, value):
        text = super().serialize(value)
        return text if text is None else text.upper()


@case("determinism: a converter of the user's own")
def _(h):
    hub = unique("converter")
    c = h.new_client(hub, data_converter=Shouting())
    with h.new_worker(hub, [pass_on], [echo], data_converter=Shouting()) as w:
        w.start()
        i = c.schedule_new_orchestration(pass_on, input="quiet")
        equal(h.ended(i, client=c).serialized_output, '"QUIET"')


@case("async client: all that it can do")
def _(h):
    hub = unique("async")

    async def go():
        async with h.new_async_client(hub) as c:
            i = await c.schedule_new_orchestration(collecting, input=list(range(9)), tags={"a": "b"}, version="1.0")
            s = await c.wait_for_orchestration_start(i, timeout=within(20))
            equal(s.instance_id, i)
            await c.suspend_orchestration(i)
            await c.resume_orchestration(i)
            await c.raise_orchestration_event(i, "item", data="last")
            s = await c.wait_for_orchestration_completion(i, timeout=within(20))
            equal((s.runtime_status, s.get_output()), (COMPLETED, [*range(9), "last"]))
            equal((await c.get_orchestration_state(i)).instance_id, i)
            equal(await c.get_orchestration_state("no-such-instance"), None)
            equal((await c.list_instance_ids()).items, [i])
            equal([s.instance_id for s in await c.get_all_orchestration_states()], [i])
            other = await c.restart_orchestration(i, restart_with_new_instance_id=True)
            await c.terminate_orchestration(other, output="enough")
            s = await c.wait_for_orchestration_completion(other, timeout=within(20))
            equal((s.runtime_status, s.get_output()), (TERMINATED, "enough"))
            try:
                await c.rewind_orchestration(i)
                raise AssertionError("it was not refused")
            except grpc.aio.AioRpcError as e:
                equal(e.code(), grpc.StatusCode.FAILED_PRECONDITION)
            equal((await c.purge_orchestration(i)).deleted_instance_count, 1)
            equal((await c.purge_orchestrations_by(runtime_status=[client.OrchestrationStatus.TERMINATED])).deleted_instance_count, 1)
            e = entities.EntityInstanceId("counter", "a")
            await c.signal_entity(e, "add", 2)
            for _ in range(within(10) * 50):
                m = await c.get_entity(e)
                if m is not None:
                    break
                await asyncio.sleep(0.02)
            equal(m.get_typed_state(int), 2)
            equal([str(m.id) for m in await c.get_all_entities()], ["@counter@a"])
            equal((await c.clean_entity_storage()).empty_entities_removed, 0)
            waiting = await c.schedule_new_orchestration(same_event, input=1)
            try:
                await c.wait_for_orchestration_completion(waiting, timeout=0.3)
                raise AssertionError("it did not time out")
            except TimeoutError:
                pass
    with h.new_worker(hub, [collecting, same_event], entities=[counter]) as w:
        w.start()
        asyncio.run(go())


@case("async client: histories, in the default hub: the SDK names no other one when it reads them")
def _(h):
    async def go():
        async with h.new_async_client() as c:
            i = await c.schedule_new_orchestration(mirror, input=1)
            await c.wait_for_orchestration_completion(i, timeout=within(30))
            equal([type(e).__name__ for e in await c.get_orchestration_history(i)],
                  ["OrchestratorStartedEvent", "ExecutionStartedEvent", "ExecutionCompletedEvent"])
    asyncio.run(go())


@case("async client: fifty at once")
def _(h):
    async def go():
        async with h.new_async_client() as c:
            async def one(n):
                i = await c.schedule_new_orchestration(mirror, input=n)
                return (await c.wait_for_orchestration_completion(i, timeout=within(30))).get_output()
            equal(await asyncio.gather(*(one(n) for n in range(50))), list(range(50)))
    asyncio.run(go())


@case("async client: channels with retries, keep-alive and limits of their own")
def _(h):
    c = h.new_client("default", channel_options=GrpcChannelOptions(
        keepalive_time_ms=30000, keepalive_timeout_ms=5000, max_receive_message_length=8 * MIB,
        retry_policy=GrpcRetryPolicyOptions(max_attempts=5)))
    i = c.schedule_new_orchestration(mirror, input=1)
    equal(h.ended(i, client=c).get_output(), 1)


SPANS = InMemorySpanExporter()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(SPANS))
trace.set_tracer_provider(PROVIDER)


@orchestrator
def traced(ctx, child: bool):
    yield ctx.call_activity(plus_one, input=1)
    if child:
        yield ctx.call_sub_orchestrator(traced, input=False)
        yield ctx.create_timer(timedelta(milliseconds=1))


@case("trace context: one trace from the client to the activities of sub-orchestrations")
def _(h):
    with trace.get_tracer("user").start_as_current_span("request") as root:
        i = h.start(traced, True)
        h.ended(i)
    ours = root.get_span_context().trace_id

    def mine():
        spans = {s.name: s for s in SPANS.get_finished_spans() if s.context.trace_id == ours}
        return spans if len([s for s in SPANS.get_finished_spans() if s.context.trace_id == ours]) >= 9 else None
    spans = eventually(mine, why="spans are missing")
    all_ids = {s.context.span_id for s in SPANS.get_finished_spans() if s.context.trace_id == ours}
    for s in spans.values():
        if s.name != "request":
            assert s.parent is not None and s.parent.span_id in all_ids, f"{s.name} has no parent in the trace"
    names = " ".join(spans)
    for part in ("create_orchestration", "orchestration:traced", "activity:plus_one", "timer"):
        assert part in names, names
    by = {type(e).__name__: e for e in h.history(i)}
    started = by["ExecutionStartedEvent"].parent_trace_context
    assert f"{ours:032x}" in started.trace_parent, started
    assert f"{ours:032x}" in by["TaskScheduledEvent"].parent_trace_context.trace_parent
