package e2e;

import com.microsoft.durabletask.OrchestrationRuntimeStatus;
import com.microsoft.durabletask.Task;
import com.microsoft.durabletask.TaskCanceledException;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** External events. */
final class Events implements Group {
    @Override
    public void add(Env env) {
        env.orchestration("awaitGo", ctx -> ctx.complete(ctx.waitForExternalEvent("go", String.class).await()));
        env.test("external events", "an orchestration waits for an event, and gets what it carries", () -> {
            String id = env.start("awaitGo", null, "go");
            env.client.waitForInstanceStart(id, Env.LONG);
            env.client.raiseEvent(id, "go", "went");
            Cases.same("went", Env.completed(env.end(id)).readOutputAs(String.class), "output");
        });
        env.orchestration("late", ctx -> {
            ctx.createTimer(Duration.ofMillis(300)).await();
            ctx.complete(List.of(ctx.waitForExternalEvent("MiXed", Integer.class).await(), ctx.waitForExternalEvent("mixed", Integer.class).await()));
        });
        env.test("external events", "events that come early are kept, in order, whatever the case of their names", () -> {
            String id = env.start("late", null, "late");
            env.client.raiseEvent(id, "mIXED", 1);
            env.client.raiseEvent(id, "MIXED", 2);
            Cases.same(List.of(1, 2), Env.completed(env.end(id)).readOutputAs(List.class), "output");
        });
        env.orchestration("kinds", ctx -> {
            List<Object> all = new ArrayList<>();
            all.add(ctx.waitForExternalEvent("nothing").await());
            all.add(ctx.waitForExternalEvent("number", Double.class).await());
            all.add(ctx.waitForExternalEvent("map", Map.class).await());
            all.add(ctx.waitForExternalEvent("list", int[].class).await());
            ctx.complete(all);
        });
        env.test("external events", "events carry nothing, numbers, objects and lists", () -> {
            String id = env.start("kinds", null, "kinds");
            env.client.raiseEvent(id, "list", new int[] {1, 2});
            env.client.raiseEvent(id, "map", Map.of("ключ", true));
            env.client.raiseEvent(id, "number", 1.5);
            env.client.raiseEvent(id, "nothing");
            Cases.same(Arrays.asList(null, 1.5, Map.of("ключ", true), List.of(1, 2)),
                    Env.completed(env.end(id)).readOutputAs(List.class), "output");
        });
        env.orchestration("hundred", ctx -> {
            List<Integer> all = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                all.add(ctx.waitForExternalEvent("n", Integer.class).await());
            }
            ctx.complete(all);
        });
        env.test("external events", "a hundred events of one sender keep their order", () -> {
            String id = env.start("hundred", null, "hundred");
            List<Integer> want = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                env.client.raiseEvent(id, "n", i);
                want.add(i);
            }
            Cases.same(want, Env.completed(env.end(id)).readOutputAs(List.class), "output");
        });
        timeouts(env);
        waiters(env);
        senders(env);
    }

    private static void timeouts(Env env) {
        env.orchestration("patience", ctx -> {
            Task<String> t = ctx.waitForExternalEvent("go", Duration.ofMillis(ctx.getInput(int.class)), String.class);
            try {
                ctx.complete(t.await());
            } catch (TaskCanceledException e) {
                ctx.complete(List.of(e.getTaskName(), t.isDone(), t.isCancelled()).toString());
            }
        });
        env.test("external events", "waiting ends with its time", () ->
                Cases.same("[go, true, true]", env.output("patience", 200, String.class), "output"));
        env.test("external events", "waiting for no time is over at once", () ->
                Cases.same("[go, true, true]", env.output("patience", 0, String.class), "output"));
        env.test("external events", "an event in time ends the waiting, and its timer does no harm", () -> {
            String id = env.start("patience", 30_000, "patient");
            env.client.raiseEvent(id, "go", "in time");
            Cases.same("in time", Env.completed(env.end(id)).readOutputAs(String.class), "output");
        });
        env.orchestration("impatient", ctx -> {
            int expired = 0;
            while (true) {
                try {
                    ctx.waitForExternalEvent("go", Duration.ofMillis(50)).await();
                    break;
                } catch (TaskCanceledException e) {
                    expired++;
                }
            }
            ctx.complete(expired);
        });
        env.test("external events", "waiting again and again with a time", () -> {
            String id = env.start("impatient", null, "impatient");
            env.client.waitForInstanceStart(id, Env.LONG);
            Thread.sleep(400);
            env.client.raiseEvent(id, "go");
            Cases.check(Env.completed(env.end(id)).readOutputAs(Integer.class) >= 1, "no waiting has ended");
        });
    }

    private static void waiters(Env env) {
        env.orchestration("two", ctx -> {
            Task<Integer> a = ctx.waitForExternalEvent("n", Integer.class);
            Task<Integer> b = ctx.waitForExternalEvent("n", Integer.class);
            Task<Integer> c = ctx.waitForExternalEvent("other", Integer.class);
            ctx.complete(ctx.allOf(c, a, b).await());
        });
        env.test("external events", "of two that wait for one name the first gets the first event", () -> {
            String id = env.start("two", null, "two");
            env.client.waitForInstanceStart(id, Env.LONG);
            env.client.raiseEvent(id, "n", 1);
            env.client.raiseEvent(id, "n", 2);
            env.client.raiseEvent(id, "other", 3);
            Cases.same(List.of(3, 1, 2), Env.completed(env.end(id)).readOutputAs(List.class), "output");
        });
        env.test("external events", "an event for an instance that has ended is dropped", () -> {
            var m = Env.completed(env.run("empty", null));
            env.client.raiseEvent(m.getInstanceId(), "go", "late");
            Cases.same(OrchestrationRuntimeStatus.COMPLETED, env.client.getInstanceMetadata(m.getInstanceId(), true).getRuntimeStatus(), "status");
        });
        env.test("external events", "an event for an instance that does not exist is refused", () ->
                Cases.refused(Status.Code.NOT_FOUND, "no-such-instance", () -> env.client.raiseEvent("no-such-instance", "go", 1)));
    }

    private static void senders(Env env) {
        env.orchestration("sender", ctx -> {
            ctx.sendEvent(ctx.getInput(String.class), "n", 1);
            ctx.sendEvent(ctx.getInput(String.class), "nothing");
            ctx.complete("sent");
        });
        env.orchestration("receiver", ctx -> {
            Integer n = ctx.waitForExternalEvent("n", Integer.class).await();
            ctx.waitForExternalEvent("nothing").await();
            ctx.complete(n);
        });
        env.test("external events", "an orchestration sends events to another one", () -> {
            String id = env.start("receiver", null, "receiver");
            Cases.same("sent", env.output("sender", id, String.class), "the sender's output");
            Cases.same(1, Env.completed(env.end(id)).readOutputAs(Integer.class), "the receiver's output");
        });
        env.orchestration("goesOn", ctx -> {
            ctx.sendEvent(ctx.getInput(String.class), "n", 7);
            ctx.callActivity("plusOne", 1, int.class).await();
            ctx.callActivity("plusOne", 2, int.class).await();
            ctx.complete("sent");
        });
        env.orchestration("counts", ctx -> {
            int n = 0;
            try {
                while (true) {
                    ctx.waitForExternalEvent("n", Duration.ofMillis(ctx.getInput(int.class)), Integer.class).await();
                    n++;
                }
            } catch (TaskCanceledException e) {
                ctx.complete(n);
            }
        });
        env.test("external events", "an event that is sent in the middle arrives once", () -> {
            String id = env.start("counts", 2000, "counts");
            Cases.same("sent", env.output("goesOn", id, String.class), "the sender's output");
            Cases.same(1, Env.completed(env.end(id)).readOutputAs(Integer.class), "events");
        });
        env.orchestration("intoTheVoid", ctx -> {
            ctx.sendEvent("no-such-instance", "n", 7);
            ctx.complete("sent");
        });
        env.test("external events", "an event that is sent to nobody is dropped", () ->
                Cases.same("sent", env.output("intoTheVoid", null, String.class), "output"));
    }
}
