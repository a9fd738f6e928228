"""Entities and critical sections."""

from datetime import datetime, timedelta, timezone

from durabletask import client, entities, task
from durabletask.entities import EntityInstanceId

from basics import mirror
from harness import COMPLETED, FAILED, case, entity, equal, eventually, orchestrator, refused, unique, within


@entity
def counter(ctx, x):
    """A function as an entity."""
    match ctx.operation:
        case "add":
            ctx.set_state(ctx.get_state(int, 0) + x)
            return ctx.get_state(int)
        case "get":
            return ctx.get_state(int, 0)
        case "who":
            return [ctx.entity_id.entity, ctx.entity_id.key]
        case "delete":
            ctx.set_state(None)
        case "fail":
            ctx.set_state(-1)
            ctx.signal_entity(EntityInstanceId("counter", x), "add", 100)
            raise ValueError("the entity says no")
        case "forward":
            ctx.signal_entity(EntityInstanceId("counter", x), "add", 1)
        case "start":
            return ctx.schedule_new_orchestration("mirror", input=x, instance_id=x)
        case "later":
            ctx.signal_entity(ctx.entity_id, "add", 1, signal_time=datetime.now(timezone.utc) + timedelta(seconds=x))
        case _:
            raise NotImplementedError(ctx.operation)


@entity
class Account(entities.DurableEntity):
    """A class as an entity."""

    def deposit(self, amount: int):
        self.set_state(self.get_state(int, 0) + amount)
        return self.get_state(int)

    def withdraw(self, amount: int):
        balance = self.get_state(int, 0)
        if balance < amount:
            raise ValueError(f"only {balance}")
        self.set_state(balance - amount)

    def balance(self):
        return self.get_state(int, 0)

    def ring(self, other):
        self.signal_entity(EntityInstanceId("Account", other), "deposit", 5)
        return self.schedule_new_orchestration("mirror", input="rung", instance_id=f"rung-{other}")


def key(name="counter"):
    return EntityInstanceId(name, unique("k"))


def state(h, e, want, c=None):
    def look():
        got = (c or h.client).get_entity(e)
        return got is not None and got.get_typed_state() == want
    return eventually(look, why=f"the state of {e} is not {want}")


@orchestrator
def call(ctx, args: list):
    """Calls operations, args = [entity, [operation, input]...], and returns the results."""
    results = []
    for op, x in args[1:]:
        results.append((yield ctx.call_entity(EntityInstanceId.parse(args[0]), op, x)))
    return results


@case("entities: signals of a client make one, and are done in their order")
def _(h):
    e = key()
    equal(h.client.get_entity(e), None)
    h.client.signal_entity(e, "add", 1)
    state(h, e, 1)
    m = h.client.get_entity(e)
    equal((m.id, m.get_locked_by(), m.includes_state, m.get_typed_state(int)), (e, None, True, 1))
    assert m.last_modified <= datetime.now(timezone.utc) + timedelta(seconds=5)


@case("entities: a hundred signals are done once each")
def _(h):
    e = key()
    for _ in range(100):
        h.client.signal_entity(e, "add", 1)
    state(h, e, 100)


@case("entities: calls of an orchestration return results, of functions and of classes")
def _(h):
    e = key()
    equal(h.run(call, [str(e), ["add", 2], ["add", 3], ["get", None], ["who", None]]), [2, 5, 5, ["counter", e.key]])
    a = key("Account")
    equal(h.run(call, [str(a), ["deposit", 7], ["withdraw", 3], ["balance", None]]), [7, None, 4])
    equal(a.entity, "account")


@orchestrator
def signalling(ctx, e):
    for n in range(5):
        ctx.signal_entity(EntityInstanceId.parse(e), "add", n)
    return (yield ctx.call_entity(EntityInstanceId.parse(e), "get"))


@case("entities: a call comes after the signals that the orchestration sent before it")
def _(h):
    equal(h.run(signalling, str(key())), 10)


@orchestrator
def catching_call(ctx, args: list):
    try:
        yield ctx.call_entity(EntityInstanceId.parse(args[0]), args[1], args[2])
    except task.TaskFailedError as e:
        return [e.details.message, e.details.inner_failure.error_type if e.details.inner_failure else e.details.error_type]


@case("entities: an operation that fails takes its changes back, and the caller catches it")
def _(h):
    e, other = key(), key()
    h.run(call, [str(e), ["add", 4]])
    got = h.run(catching_call, [str(e), "fail", other.key])
    assert "the entity says no" in got[0], got
    equal(h.run(call, [str(e), ["get", None]]), [4])
    equal(h.client.get_entity(other), None)


@case("entities: an operation or an entity that there is not fails the call")
def _(h):
    assert "never" in h.run(catching_call, [str(key("Account")), "never", None])[0]
    assert "notregistered" in h.run(catching_call, [str(key("notregistered")), "get", None])[0]


@case("entities: they signal others, and start orchestrations")
def _(h):
    e, other = key(), key()
    h.client.signal_entity(e, "forward", other.key)
    state(h, other, 1)
    i = unique("started")
    equal(h.run(call, [str(e), ["start", i]]), [i])
    equal(eventually(lambda: h.client.get_orchestration_state(i)) and h.ended(i).get_output(), i)
    a, b = key("Account"), key("Account")
    equal(h.run(call, [str(a), ["ring", b.key]]), [f"rung-{b.key}"])
    state(h, b, 5)
    equal(h.ended(f"rung-{b.key}").get_output(), "rung")


@case("entities: a signal for later is not done before its time")
def _(h):
    e, f, g = key(), key(), key()
    begin = datetime.now(timezone.utc)
    h.client.signal_entity(e, "add", 1, signal_time=begin + timedelta(seconds=0.7))
    h.client.signal_entity(f, "later", 0.7)
    h.run(delayed, str(g))
    for x in (e, f, g):
        state(h, x, 1)
        took = h.client.get_entity(x).last_modified - begin
        assert timedelta(seconds=0.6) < took < timedelta(seconds=within(15)), took


@orchestrator
def delayed(ctx, e):
    ctx.signal_entity(EntityInstanceId.parse(e), "add", 1, signal_time=ctx.current_utc_datetime + timedelta(seconds=0.7))


@case("entities: one that has had no operation yet is none, unless it is asked for")
def _(h):
    c = h.new_client("no-workers")
    e = key()
    c.signal_entity(e, "add", 1)
    equal(c.get_entity(e), None)
    query = client.EntityQuery(instance_id_starts_with=str(e))
    equal(c.get_all_entities(query), [])
    query.include_transient = True
    equal([(m.id, m.backlog_queue_size) for m in c.get_all_entities(query)], [(e, 1)])


@case("entities: one without a state is gone")
def _(h):
    e = key()
    h.run(call, [str(e), ["add", 1], ["delete", None]])
    eventually(lambda: h.client.get_entity(e) is None)
    a = key("Account")
    h.run(call, [str(a), ["deposit", 1], ["delete", None]])
    eventually(lambda: h.client.get_entity(a) is None)


@case("entities: they keep their state when the orchestration that made them is purged")
def _(h):
    e = key()
    i = h.start(call, [str(e), ["add", 1]])
    h.ended(i)
    h.client.purge_orchestration(i)
    equal(h.client.get_entity(e).get_state(int), 1)


@case("entities: queries by prefix and by time, with state or without, in pages")
def _(h):
    hub = unique("entities")
    c = h.new_client(hub)
    with h.new_worker(hub, [call], entities=[counter, Account]) as w:
        w.start()
        begin = datetime.now(timezone.utc)
        for n in range(7):
            c.signal_entity(EntityInstanceId("counter", f"k{n}"), "add", n)
        c.signal_entity(EntityInstanceId("Account", "a"), "deposit", 1)
        c.signal_entity(EntityInstanceId("counter", "gone"), "delete")

        def found(**kw):
            return sorted(str(m.id) for m in c.get_all_entities(client.EntityQuery(**kw)))
        counters = [f"@counter@k{n}" for n in range(7)]
        eventually(lambda: found() == ["@account@a", *counters], why="not all are there")
        equal(len(c.get_all_entities()), 8)
        equal(found(instance_id_starts_with="@counter@"), counters)
        equal(found(instance_id_starts_with="@counter@k3"), ["@counter@k3"])
        equal(found(page_size=2), ["@account@a", *counters])
        equal(found(last_modified_from=begin - timedelta(seconds=5)), ["@account@a", *counters])
        equal(found(last_modified_to=begin - timedelta(days=1)), [])
        equal([m.get_typed_state() for m in c.get_all_entities(client.EntityQuery(instance_id_starts_with="@counter@k5"))], [5])
        m = c.get_all_entities(client.EntityQuery(instance_id_starts_with="@counter@k5", include_state=False))[0]
        equal(m.includes_state, False)
        equal(c.get_entity(EntityInstanceId("counter", "k5"), include_state=False).includes_state, False)
        equal(c.get_all_orchestration_states(), [])


@case("entities: cleaning their storage takes what is empty, and leaves the rest")
def _(h):
    hub = unique("clean")
    c = h.new_client(hub)
    with h.new_worker(hub, [call], entities=[counter]) as w:
        w.start()
        h.ended(c.schedule_new_orchestration(call, input=["@counter@kept", ["add", 1]]), client=c)
        h.ended(c.schedule_new_orchestration(call, input=["@counter@empty", ["add", 1], ["delete", None]]), client=c)
        r = c.clean_entity_storage()
        equal(r.orphaned_locks_released, 0)
    equal([str(m.id) for m in c.get_all_entities(client.EntityQuery(include_transient=True))], ["@counter@kept"])


@case("entities: keys are told apart by case, names are not")
def _(h):
    k = unique("K")
    h.run(call, [str(EntityInstanceId("Counter", k)), ["add", 1]])
    h.run(call, [str(EntityInstanceId("COUNTER", k)), ["add", 1]])
    h.run(call, [str(EntityInstanceId("counter", k.lower())), ["add", 5]])
    equal(h.client.get_entity(EntityInstanceId("counter", k)).get_typed_state(), 2)


@orchestrator
def transfer(ctx, args: list):
    """Moves money between two accounts, which nobody else touches meanwhile."""
    a, b = EntityInstanceId("Account", args[0]), EntityInstanceId("Account", args[1])
    with (yield ctx.lock_entities([a, b])):
        balance = yield ctx.call_entity(a, "balance")
        yield ctx.create_timer(timedelta(milliseconds=1))
        if balance < args[2]:
            return "too little"
        yield task.when_all([ctx.call_entity(a, "withdraw", args[2]), ctx.call_entity(b, "deposit", args[2])])
    return "done"


@case("critical sections: transfers in a ring keep the sum")
def _(h):
    names = [unique("ring") for _ in range(4)]
    for n in names:
        h.run(call, [str(EntityInstanceId("Account", n)), ["deposit", 100]])
    ids = [h.start(transfer, [names[n % 4], names[(n + 1 + n // 4 % 3) % 4], 30]) for n in range(24)]
    equal({h.ended(i).get_output() for i in ids} - {"done", "too little"}, set())
    balances = [h.run(call, [str(EntityInstanceId("Account", n)), ["balance", None]])[0] for n in names]
    assert sum(balances) == 400 and min(balances) >= 0, balances


@orchestrator
def holding(ctx, args: list):
    with (yield ctx.lock_entities([EntityInstanceId.parse(e) for e in args[1:]])):
        ctx.set_custom_status("inside")
        yield ctx.wait_for_external_event("out")
        if args[0] == "fail":
            raise RuntimeError("inside")
        if args[0] == "again":
            ctx.continue_as_new(["", *args[1:]])
            return
    return "out"


@case("critical sections: who comes later waits, and signals do too")
def _(h):
    e, f = key(), key()
    h.run(call, [str(e), ["add", 1]])
    first = h.start(holding, ["", str(e), str(f)])
    eventually(lambda: h.client.get_orchestration_state(first).get_custom_status() == "inside")
    h.client.signal_entity(e, "add", 10)
    second = h.start(call, [str(f), ["add", 1]])
    third = h.start(holding, ["", str(f), str(e)])
    try:
        h.client.wait_for_orchestration_completion(second, timeout=0.5)
        raise AssertionError("a call came in while the entity was locked")
    except TimeoutError:
        pass
    m = h.client.get_entity(e)
    equal((m.get_typed_state(), m._locked_by), (1, first))  # get_locked_by raises for what is no entity
    for i in (first, third):
        h.client.raise_orchestration_event(i, "out")
        equal(h.ended(i).get_output(), "out")
    equal(h.ended(second).get_output(), [1])
    state(h, e, 11)


@case("critical sections: one that fails, ends or begins anew inside gives its locks back")
def _(h):
    for how, want in (("fail", FAILED), ("again", COMPLETED), ("", COMPLETED)):
        e = key()
        i = h.start(holding, [how, str(e)])
        for _ in range(2 if how == "again" else 1):
            eventually(lambda: h.client.get_orchestration_state(i).get_custom_status() == "inside")
            h.client.raise_orchestration_event(i, "out")
            if how == "again":
                eventually(lambda: h.client.get_orchestration_state(i).get_input()[0] == "")
        h.ended(i, want)
        equal(h.run(call, [str(e), ["add", 1]]), [1])


@case("critical sections: one that is terminated inside gives its locks back")
def _(h):
    e = key()
    i = h.start(holding, ["", str(e)])
    eventually(lambda: h.client.get_orchestration_state(i).get_custom_status() == "inside")
    h.client.terminate_orchestration(i)
    h.client.wait_for_orchestration_completion(i, timeout=within(20))
    j = h.start(call, [str(e), ["add", 1]])
    eventually(lambda: (h.client.clean_entity_storage(), h.client.get_orchestration_state(j).runtime_status == COMPLETED)[1])


@orchestrator
def nested_rules(ctx, args: list):
    """What the SDK forbids inside of a critical section."""
    e, f = EntityInstanceId.parse(args[0]), EntityInstanceId.parse(args[1])
    said = []

    def tried(what):
        try:
            what()
        except RuntimeError as error:
            said.append(str(error))
    with (yield ctx.lock_entities([e])):
        tried(lambda: ctx.lock_entities([f]))
        tried(lambda: ctx.call_entity(f, "get"))
        tried(lambda: ctx.signal_entity(e, "add", 1))
        ctx.signal_entity(f, "add", 1)
        got = yield ctx.call_entity(e, "add", 1)
    return [len(said), got]


@case("critical sections: the rules inside hold, and what they allow works")
def _(h):
    e, f = key(), key()
    equal(h.run(nested_rules, [str(e), str(f)]), [3, 1])
    state(h, f, 1)


@orchestrator
def same_lock_twice(ctx, e):
    e = EntityInstanceId.parse(e)
    got = []
    for _ in range(3):
        with (yield ctx.lock_entities([e, e])):
            got.append((yield ctx.call_entity(e, "add", 1)))
    return got


@case("critical sections: one after the other, and an entity named twice")
def _(h):
    equal(h.run(same_lock_twice, str(key())), [1, 2, 3])


@entity
class Keeper(entities.DurableEntity):
    def set(self, text):
        self.set_state(text)


@orchestrator
def failing_inside(ctx, e):
    """An operation that fails inside of a critical section, and one after it."""
    e, failures = EntityInstanceId.parse(e), 0
    with (yield ctx.lock_entities([e])):
        try:
            yield ctx.call_entity(e, "withdraw", 1)
        except task.TaskFailedError:
            failures += 1
    try:
        yield ctx.call_entity(e, "withdraw", 1)
    except task.TaskFailedError:
        failures += 1
    return failures


@case("critical sections: an operation that fails inside leaves them whole")
def _(h):
    equal(h.run(failing_inside, str(key("Account"))), 2)


@orchestrator
def never_released(ctx, e):
    yield ctx.lock_entities([EntityInstanceId.parse(e)])
    return (yield ctx.call_entity(EntityInstanceId.parse(e), "add", 1))


@case("critical sections: one that is never left ends with its orchestration")
def _(h):
    e = str(key())
    for n in range(1, 4):
        equal(h.run(never_released, e), n)
