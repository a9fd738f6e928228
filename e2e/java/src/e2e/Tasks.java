package e2e;

import com.microsoft.durabletask.Task;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Activities, one after the other and many at a time, and what an orchestration is told about itself. */
final class Tasks implements Group {
    /** An argument with fields. */
    public static final class Order {
        public String name;
        public int amount;
        public List<String> notes;
    }

    private static final Map<String, List<Instant>> TIMES = new ConcurrentHashMap<>();
    private static final Map<String, List<List<String>>> IDS = new ConcurrentHashMap<>();

    @Override
    public void add(Env env) {
        env.activity("plusOne", ctx -> ctx.getInput(int.class) + 1);
        env.activity("echo", ctx -> ctx.getInput(Object.class));
        env.activity("nothing", ctx -> null);
        env.activity("name", ctx -> ctx.getName());
        env.activity("ship", ctx -> {
            Order o = ctx.getInput(Order.class);
            o.amount *= 2;
            o.notes.add("shipped");
            return o;
        });
        sequences(env);
        fans(env);
        compositions(env);
        determinism(env);
    }

    private static void sequences(Env env) {
        env.orchestration("chain", ctx -> {
            int n = ctx.getInput(int.class);
            for (int i = 0; i < 10; i++) {
                n = ctx.callActivity("plusOne", n, int.class).await();
            }
            ctx.complete(n);
        });
        env.test("sequence", "each activity gets what the one before it returned", () ->
                Cases.same(15, env.output("chain", 5, int.class), "output"));
        env.orchestration("empty", ctx -> { });
        env.test("sequence", "an orchestration that does nothing completes without output", () -> {
            var m = Env.completed(env.run("empty", null));
            Cases.same(null, m.readOutputAs(String.class), "output");
            Cases.same(null, m.readInputAs(String.class), "input");
        });
        env.orchestration("forms", ctx -> {
            Void a = ctx.callActivity("nothing").await();
            Void b = ctx.callActivity("nothing", "in").await();
            String c = ctx.callActivity("name", String.class).await();
            String d = ctx.callActivity("echo", "é\uD83D\uDE80\u0000\n", String.class).await();
            Integer e = ctx.callActivity("nothing", 7, Integer.class).await();
            ctx.complete(Arrays.asList(a, b, c, d, e));
        });
        env.test("sequence", "activities have inputs and results, or none", () ->
                Cases.same(Arrays.asList(null, null, "name", "é\uD83D\uDE80\u0000\n", null), env.output("forms", null, List.class), "output"));
        env.orchestration("order", ctx -> ctx.complete(ctx.callActivity("ship", ctx.getInput(Order.class), Order.class).await()));
        env.test("sequence", "objects go through an activity and back", () -> {
            Order o = new Order();
            o.name = "Ωmega";
            o.amount = 21;
            o.notes = List.of("fragile");
            Order back = env.output("order", o, Order.class);
            Cases.same("Ωmega 42 [fragile, shipped]", back.name + " " + back.amount + " " + back.notes, "order");
        });
    }

    private static void fans(Env env) {
        env.orchestration("fan", ctx -> {
            List<Task<Integer>> tasks = IntStream.range(0, ctx.getInput(int.class))
                    .mapToObj(i -> ctx.callActivity("plusOne", i, Integer.class)).collect(Collectors.toList());
            ctx.complete(ctx.allOf(tasks).await());
        });
        env.test("fan-out", "allOf returns the results in the order of the tasks", () ->
                Cases.same(IntStream.rangeClosed(1, 50).boxed().collect(Collectors.toList()), env.output("fan", 50, List.class), "output"));
        env.test("fan-out", "500 activities of one orchestration", () ->
                Cases.same(500, env.output("fan", 500, List.class).size(), "results"));
        env.test("fan-out", "allOf of nothing is done at once", () ->
                Cases.same(List.of(), env.output("fan", 0, List.class), "output"));
        env.orchestration("all", ctx -> ctx.complete(ctx.allOf(
                ctx.callActivity("echo", "a", String.class), ctx.callActivity("echo", "b", String.class)).await()));
        env.test("fan-out", "allOf of two", () -> Cases.same(List.of("a", "b"), env.output("all", null, List.class), "output"));
        env.orchestration("any", ctx -> {
            Task<String> fast = ctx.callActivity("echo", "fast", String.class);
            Task<Void> never = ctx.waitForExternalEvent("never");
            Task<?> winner = ctx.anyOf(fast, never).await();
            List<Task<?>> list = new ArrayList<>(List.of(never, ctx.createTimer(Duration.ofMillis(1))));
            Task<?> second = ctx.anyOf(list).await();
            ctx.complete(List.of(winner == fast, winner.isDone(), never.isDone(), never.isCancelled(), second == list.get(1), fast.await()));
        });
        env.test("fan-out", "anyOf returns the task that is done, and leaves the others", () ->
                Cases.same(List.of(true, true, false, false, true, "fast"), env.output("any", null, List.class), "output"));
    }

    private static void compositions(Env env) {
        env.orchestration("then", ctx -> {
            List<Integer> seen = new ArrayList<>();
            Task<Integer> doubled = ctx.callActivity("plusOne", 1, Integer.class).thenApply(n -> n * 10);
            Task<Void> noted = ctx.callActivity("plusOne", 2, Integer.class).thenAccept(seen::add);
            noted.await();
            Task<String> event = ctx.waitForExternalEvent("e", String.class).thenApply(String::toUpperCase);
            ctx.complete(doubled.await() + " " + seen + " " + event.await());
        });
        env.test("fan-out", "thenApply and thenAccept go on with results and with events", () -> {
            String id = env.start("then", null, "then");
            env.client.raiseEvent(id, "e", "shout");
            Cases.same("20 [3] SHOUT", Env.completed(env.end(id)).readOutputAs(String.class), "output");
        });
    }

    private static void determinism(Env env) {
        env.orchestration("times", ctx -> {
            List<Instant> now = new ArrayList<>(List.of(ctx.getCurrentInstant()));
            for (int i = 0; i < 3; i++) {
                ctx.callActivity("plusOne", i, int.class).await();
                now.add(ctx.getCurrentInstant());
                TIMES.computeIfAbsent(ctx.getInstanceId() + i, k -> new CopyOnWriteArrayList<>()).add(ctx.getCurrentInstant());
            }
            ctx.complete(now.stream().map(Instant::toString).collect(Collectors.toList()));
        });
        env.test("determinism", "the current time is the same in every replay, and goes on", () -> {
            var m = Env.completed(env.run("times", null));
            List<?> now = m.readOutputAs(List.class);
            for (int i = 0; i < 3; i++) {
                List<Instant> seen = TIMES.get(m.getInstanceId() + i);
                Cases.same(3 - i, seen.size(), "replays of step " + i);
                Cases.same(1, new HashSet<>(seen).size(), "times of step " + i + " " + seen);
                Cases.check(Instant.parse(now.get(i).toString()).isBefore(Instant.parse(now.get(i + 1).toString())), "time does not go on: " + now);
            }
        });
        env.orchestration("replaying", ctx -> {
            List<Boolean> was = new ArrayList<>(List.of(ctx.getIsReplaying()));
            ctx.callActivity("plusOne", 1, int.class).await();
            was.add(ctx.getIsReplaying());
            ctx.callActivity("plusOne", 1, int.class).await();
            was.add(ctx.getIsReplaying());
            ctx.complete(was);
        });
        env.test("determinism", "only what is new is no replay", () ->
                Cases.same(List.of(true, true, false), env.output("replaying", null, List.class), "replaying"));
        env.orchestration("ids", ctx -> {
            List<String> ids = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                ids.add(ctx.newUUID().toString());
                ctx.callActivity("plusOne", 1, int.class).await();
            }
            IDS.computeIfAbsent(ctx.getInstanceId(), k -> new CopyOnWriteArrayList<>()).add(ids);
            ctx.complete(ids);
        });
        env.test("determinism", "new UUIDs differ, and replays make the same", () -> {
            var m = Env.completed(env.run("ids", null));
            List<?> ids = m.readOutputAs(List.class);
            Cases.same(3, new HashSet<>(ids).size(), "UUIDs");
            Cases.same(5, UUID.fromString(ids.get(0).toString()).version(), "version of a UUID");
            Cases.same(ids, IDS.get(m.getInstanceId()).get(0), "UUIDs");
        });
        env.orchestration("self", ctx -> ctx.complete(List.of(ctx.getName(), ctx.getInstanceId())));
        env.test("determinism", "an orchestration knows its name and ID", () -> {
            var m = Env.completed(env.run("self", null));
            Cases.same(List.of("self", m.getInstanceId()), m.readOutputAs(List.class), "output");
        });
    }
}
