package e2e;

import com.microsoft.durabletask.OrchestrationMetadata;
import com.microsoft.durabletask.OrchestrationRuntimeStatus;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What is done to instances: continued as new, suspended, resumed, terminated, restarted, purged. */
final class Lifecycle implements Group {
    @Override
    public void add(Env env) {
        generations(env);
        statuses(env);
        suspension(env);
        termination(env);
        restarts(env);
        purges(env);
    }

    private static void generations(Env env) {
        env.orchestration("countUp", ctx -> {
            int[] in = ctx.getInput(int[].class);
            if (in[0] < in[1]) {
                if (in[0] % 5 == 0) {
                    ctx.callActivity("plusOne", 1, int.class).await();
                }
                ctx.continueAsNew(new int[] {in[0] + 1, in[1]});
            }
            ctx.complete(in[0]);
        });
        env.test("continue-as-new", "an orchestration goes on with another input", () -> {
            var m = Env.completed(env.run("countUp", new int[] {0, 10}));
            Cases.same(10, m.readOutputAs(Integer.class), "output");
        });
        env.test("continue-as-new", "three hundred generations", () ->
                Cases.same(300, env.output("countUp", new int[] {0, 300}, Integer.class), "output"));
        env.orchestration("collect", ctx -> {
            List<Object> all = new ArrayList<>(ctx.getInput(List.class));
            all.add(ctx.waitForExternalEvent("n", Integer.class).await());
            if (all.size() < 11) {
                ctx.continueAsNew(all);
            }
            ctx.complete(all.subList(1, 11));
        });
        env.test("continue-as-new", "events that were not awaited go into the next generation", () -> {
            String id = env.start("collect", List.of("begin"), "collect");
            for (int i = 0; i < 10; i++) {
                env.client.raiseEvent(id, "n", i);
            }
            List<?> all = Env.completed(env.end(id)).readOutputAs(List.class);
            Cases.same(10, all.size(), "events");
        });
        env.orchestration("drop", ctx -> {
            if (ctx.getInput(Integer.class) == 0) {
                ctx.waitForExternalEvent("go").await();
                ctx.continueAsNew(1, false);
            }
            ctx.complete(ctx.anyOf(ctx.waitForExternalEvent("early"), ctx.createTimer(Duration.ofMillis(200))).await().isDone());
        });
        env.test("continue-as-new", "without keeping events", () -> {
            String id = env.start("drop", 0, "drop");
            env.client.raiseEvent(id, "early", 1);
            env.client.raiseEvent(id, "go", 1);
            Cases.same(true, Env.completed(env.end(id)).readOutputAs(Boolean.class), "output");
        });
        env.activity("nap", ctx -> {
            try {
                Thread.sleep(50);
            } catch (InterruptedException e) {
                throw new IllegalStateException("interrupted", e);
            }
            return ctx.getInput(String.class);
        });
        env.orchestration("leaves", ctx -> {
            int n = ctx.getInput(int.class);
            var soon = ctx.createTimer(Duration.ofMillis(10));
            var work = ctx.callActivity("nap", "of generation " + n, String.class); // by another worker than the steps
            soon.await();
            if (n < 5) {
                ctx.continueAsNew(n + 1);
            }
            ctx.complete(work.await());
        });
        env.test("continue-as-new", "what a generation leaves running is not taken for the work of the next", () -> {
            List<String> ids = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                ids.add(env.start("leaves", 0, "leaves"));
            }
            for (String id : ids) {
                Cases.same("of generation 5", Env.completed(env.end(id)).readOutputAs(String.class), "output");
            }
        });
        env.orchestration("statusful", ctx -> {
            int n = ctx.getInput(int.class);
            ctx.setCustomStatus("generation " + n);
            if (n < 3) {
                ctx.continueAsNew(n + 1);
            }
            ctx.complete(null);
        });
        env.test("continue-as-new", "the last generation's custom status stays", () ->
                Cases.same("generation 3", Env.completed(env.run("statusful", 1)).readCustomStatusAs(String.class), "custom status"));
    }

    private static void statuses(Env env) {
        env.orchestration("progress", ctx -> {
            ctx.setCustomStatus("begun");
            ctx.waitForExternalEvent("go").await();
            ctx.setCustomStatus(Map.of("done", 3, "of", 5));
            ctx.waitForExternalEvent("go").await();
            ctx.clearCustomStatus();
            ctx.waitForExternalEvent("go").await();
            ctx.setCustomStatus("over");
        });
        env.test("custom status", "it is set, replaced, cleared, and set at the end", () -> {
            String id = env.start("progress", null, "progress");
            OrchestrationMetadata first = env.client.waitForInstanceStart(id, Env.LONG, true);
            Cases.same("begun", first.readCustomStatusAs(String.class), "custom status at the start");
            env.until(id, m -> m.isCustomStatusFetched() && m.readCustomStatusAs(String.class).equals("begun"));
            env.client.raiseEvent(id, "go");
            env.until(id, m -> m.isCustomStatusFetched() && m.readCustomStatusAs(Object.class).equals(Map.of("done", 3, "of", 5)));
            env.client.raiseEvent(id, "go");
            env.until(id, m -> !m.isCustomStatusFetched());
            env.client.raiseEvent(id, "go");
            Cases.same("over", Env.completed(env.end(id)).readCustomStatusAs(String.class), "custom status");
            Cases.check(!env.client.getInstanceMetadata(id, false).isCustomStatusFetched(), "it came though nobody asked for payloads");
        });
    }

    private static void suspension(Env env) {
        env.test("suspend and resume", "a suspended instance goes on after it is resumed, with what came meanwhile", () -> {
            String id = env.start("awaitGo", null, "suspend");
            env.client.waitForInstanceStart(id, Env.LONG);
            env.client.suspendInstance(id, "wait");
            env.until(id, OrchestrationRuntimeStatus.SUSPENDED);
            env.client.suspendInstance(id); // once more changes nothing
            env.client.raiseEvent(id, "go", "meanwhile");
            Cases.thrown(java.util.concurrent.TimeoutException.class, () -> env.client.waitForInstanceCompletion(id, Duration.ofMillis(400), false));
            Cases.same(OrchestrationRuntimeStatus.SUSPENDED, env.client.getInstanceMetadata(id, false).getRuntimeStatus(), "status");
            env.client.resumeInstance(id, "go on");
            Cases.same("meanwhile", Env.completed(env.end(id)).readOutputAs(String.class), "output");
        });
        env.test("suspend and resume", "an instance that is suspended as soon as it is started", () -> {
            String id = env.start("awaitGo", null, "early");
            env.client.suspendInstance(id);
            Cases.same(OrchestrationRuntimeStatus.SUSPENDED, env.client.waitForInstanceStart(id, Env.LONG).getRuntimeStatus(), "status");
            env.client.raiseEvent(id, "go", "later");
            env.client.resumeInstance(id);
            Cases.same("later", Env.completed(env.end(id)).readOutputAs(String.class), "output");
        });
        env.test("suspend and resume", "a resumed instance is running", () -> {
            String id = env.start("awaitGo", null, "resume");
            env.client.suspendInstance(id);
            env.until(id, OrchestrationRuntimeStatus.SUSPENDED);
            env.client.resumeInstance(id);
            env.until(id, OrchestrationRuntimeStatus.RUNNING);
            env.client.resumeInstance(id); // once more changes nothing
            env.client.raiseEvent(id, "go", "ok");
            Cases.same("ok", Env.completed(env.end(id)).readOutputAs(String.class), "output");
        });
        env.test("suspend and resume", "timers of a suspended instance fire after it is resumed", () -> {
            String id = env.start("sleep", 200, "napping");
            env.client.suspendInstance(id);
            env.until(id, OrchestrationRuntimeStatus.SUSPENDED);
            Thread.sleep(300);
            env.client.resumeInstance(id);
            Env.completed(env.end(id));
        });
        env.test("suspend and resume", "a suspended instance can be terminated", () -> {
            String id = env.start("awaitGo", null, "stop");
            env.client.suspendInstance(id);
            env.until(id, OrchestrationRuntimeStatus.SUSPENDED);
            env.client.terminate(id, "stopped");
            OrchestrationMetadata m = env.end(id);
            Cases.same(OrchestrationRuntimeStatus.TERMINATED, m.getRuntimeStatus(), "status");
        });
        env.test("suspend and resume", "what does not exist is not suspended or resumed", () -> {
            Cases.refused(Status.Code.NOT_FOUND, "no-such-instance", () -> env.client.suspendInstance("no-such-instance"));
            Cases.refused(Status.Code.NOT_FOUND, "no-such-instance", () -> env.client.resumeInstance("no-such-instance"));
        });
    }

    private static void termination(Env env) {
        env.test("terminate", "a terminated instance has the given output", () -> {
            String id = env.start("awaitGo", null, "terminate");
            env.client.waitForInstanceStart(id, Env.LONG);
            env.client.terminate(id, "the end");
            OrchestrationMetadata m = env.end(id);
            Cases.same(OrchestrationRuntimeStatus.TERMINATED, m.getRuntimeStatus(), "status");
            Cases.same("the end", m.readOutputAs(String.class), "output");
            Cases.check(!m.isRunning() && m.isCompleted(), "flags of " + m);
        });
        env.test("terminate", "without an output, and once more", () -> {
            String id = env.start("awaitGo", null, "terminate");
            env.client.terminate(id, null);
            Cases.same(OrchestrationRuntimeStatus.TERMINATED, env.end(id).getRuntimeStatus(), "status");
            env.client.terminate(id, "again");
            Cases.same(null, env.client.getInstanceMetadata(id, true).readOutputAs(String.class), "output");
        });
        env.test("terminate", "what does not exist is not terminated", () ->
                Cases.refused(Status.Code.NOT_FOUND, "no-such-instance", () -> env.client.terminate("no-such-instance", null)));
        env.orchestration("busy", ctx -> {
            for (int i = 0; i < 10_000; i++) {
                ctx.createTimer(Duration.ofMillis(20)).await();
            }
        });
        env.test("terminate", "an instance that is in the middle of its work", () -> {
            String id = env.start("busy", null, "busy");
            env.client.waitForInstanceStart(id, Env.LONG);
            Thread.sleep(100);
            env.client.terminate(id, "enough");
            Cases.same(OrchestrationRuntimeStatus.TERMINATED, env.end(id).getRuntimeStatus(), "status");
        });
    }

    private static void restarts(Env env) {
        env.test("restart", "under the same ID, with the same input", () -> {
            var m = Env.completed(env.run("chain", 5));
            Cases.same(m.getInstanceId(), env.client.restartInstance(m.getInstanceId(), false), "ID");
            var again = Env.completed(env.end(m.getInstanceId()));
            Cases.same(15, again.readOutputAs(Integer.class), "output");
            Cases.check(again.getCreatedAt().isAfter(m.getCreatedAt()), "it is the old one: " + again);
        });
        env.test("restart", "under a new ID", () -> {
            var m = Env.completed(env.run("chain", 6));
            String id = env.client.restartInstance(m.getInstanceId(), true);
            Cases.check(!id.equals(m.getInstanceId()), "ID " + id);
            Cases.same(16, Env.completed(env.end(id)).readOutputAs(Integer.class), "output");
        });
        env.test("restart", "a failed and a terminated one", () -> {
            String id = env.run("throws", null).getInstanceId();
            env.client.restartInstance(id, false);
            Cases.same(OrchestrationRuntimeStatus.FAILED, env.end(id).getRuntimeStatus(), "status");
            String stuck = env.start("awaitGo", null, "restart");
            env.client.terminate(stuck, null);
            env.end(stuck);
            env.client.restartInstance(stuck, false);
            env.client.raiseEvent(stuck, "go", "second");
            Cases.same("second", Env.completed(env.end(stuck)).readOutputAs(String.class), "output");
        });
        env.test("restart", "not under the same ID while it lives", () -> {
            String id = env.start("awaitGo", null, "alive");
            Cases.refused(Status.Code.ALREADY_EXISTS, id, () -> env.client.restartInstance(id, false));
            env.client.terminate(id, null);
            env.end(id);
        });
        env.test("restart", "what does not exist is not restarted", () ->
                Cases.thrown(IllegalArgumentException.class, () -> env.client.restartInstance("no-such-instance", true)));
    }

    private static void purges(Env env) {
        env.test("purge", "an instance that has ended is gone", () -> {
            String id = env.run("chain", 1).getInstanceId();
            Cases.same(1, env.client.purgeInstance(id).getDeletedInstanceCount(), "deleted");
            Cases.check(!env.client.getInstanceMetadata(id, true).isInstanceFound(), "it is still there");
            Cases.same(0, env.client.purgeInstance(id).getDeletedInstanceCount(), "deleted again");
        });
        env.test("purge", "an instance that lives is not purged", () -> {
            String id = env.start("awaitGo", null, "purge");
            env.client.waitForInstanceStart(id, Env.LONG);
            Cases.same(0, env.client.purgeInstance(id).getDeletedInstanceCount(), "deleted");
            env.client.raiseEvent(id, "go", "on");
            Env.completed(env.end(id));
        });
    }
}
