package e2e;

import com.microsoft.durabletask.OrchestrationMetadata;
import com.microsoft.durabletask.OrchestrationRuntimeStatus;
import com.microsoft.durabletask.RetryPolicy;
import com.microsoft.durabletask.Task;
import com.microsoft.durabletask.TaskFailedException;
import com.microsoft.durabletask.TaskOptions;
import com.microsoft.durabletask.implementation.protobuf.OrchestratorService.RewindInstanceRequest;
import com.microsoft.durabletask.implementation.protobuf.TaskHubSidecarServiceGrpc;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/**
 * Rewinding. The SDK's client cannot ask for it, but its stubs, the command and the HTTP API can. Its worker knows nothing
 * of it, so the server does it all.
 */
final class Rewinds implements Group {
    /** By key, how often a rewind has been asked for. */
    private static final Map<String, AtomicInteger> REWINDS = new ConcurrentHashMap<>();

    /** By task, how often it has run. */
    private static final Map<String, AtomicInteger> RUNS = new ConcurrentHashMap<>();

    private static AtomicInteger of(Map<String, AtomicInteger> counts, String key) {
        return counts.computeIfAbsent(key, k -> new AtomicInteger());
    }

    private static void rewind(Env env, String key, String id) {
        of(REWINDS, key).incrementAndGet();
        try (Hubs.Hub h = new Hubs.Hub(env.port, "default")) {
            TaskHubSidecarServiceGrpc.newBlockingStub(h.named).rewindInstance(RewindInstanceRequest.newBuilder().setInstanceId(id).build());
        } catch (StatusRuntimeException e) {
            if (Killed.away(e)) {
                Killed.cut();
                env.client.getInstanceMetadata("ready", false); // it is there again when the case begins anew
            }
            throw e;
        }
    }

    private static String task(String key, String name, int rewinds) {
        return key + " " + name + " " + rewinds;
    }

    private static String failed(OrchestrationMetadata m) {
        Cases.same(OrchestrationRuntimeStatus.FAILED, m.getRuntimeStatus(), "status of " + m);
        return m.getInstanceId();
    }

    @Override
    public void add(Env env) {
        // Its input is "key name rewinds": it fails until there were so many, and returns how many there were: so
        // the result says when it was made, however often it ran.
        env.activity("rewindStep", ctx -> {
            String[] in = ctx.getInput(String.class).split(" ");
            of(RUNS, in[0] + in[1]).incrementAndGet();
            int rewinds = of(REWINDS, in[0]).get();
            if (rewinds < Integer.parseInt(in[2])) {
                throw new Failures.Broken("after " + rewinds + " rewinds");
            }
            return rewinds;
        });
        env.orchestration("rewindFlow", ctx -> {
            String key = ctx.getInput(String.class);
            int good = ctx.callActivity("rewindStep", task(key, "good", 0), int.class).await();
            int bad = ctx.callActivity("rewindStep", task(key, "bad", 1), int.class).await();
            ctx.complete(10 * good + bad);
        });
        env.orchestration("rewindParent", ctx ->
                ctx.complete(ctx.callSubOrchestrator("rewindFlow", ctx.getInput(String.class), int.class).await()));
        env.orchestration("rewindRetries", ctx -> {
            TaskOptions twice = new TaskOptions(new RetryPolicy(2, Duration.ofMillis(10)));
            ctx.complete(ctx.callActivity("rewindStep", task(ctx.getInput(String.class), "bad", 1), twice, int.class).await());
        });
        env.orchestration("rewindHandled", ctx -> {
            String key = ctx.getInput(String.class);
            String handled = "";
            try {
                ctx.callActivity("rewindStep", task(key, "handled", 9), int.class).await();
            } catch (TaskFailedException e) {
                handled = "handled " + ctx.callActivity("rewindStep", task(key, "after", 0), int.class).await();
            }
            ctx.complete(handled + ", then " + ctx.callActivity("rewindStep", task(key, "bad", 1), int.class).await());
        });
        env.orchestration("rewindMany", ctx -> {
            String key = ctx.getInput(String.class);
            List<Task<Integer>> all = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                all.add(ctx.callActivity("rewindStep", task(key, "step" + i, i % 2), int.class));
            }
            ctx.complete(ctx.allOf(all).await().toString());
        });
        env.test("rewind", "a failed activity runs again, and nothing else does", () -> rewound(env, "rewindFlow", 1, "good"));
        env.test("rewind", "a failed sub-orchestration goes on as well", () -> rewound(env, "rewindParent", 1, "good"));
        env.test("rewind", "of an activity with a retry policy the last attempt is made again", () -> rewound(env, "rewindRetries", 1));
        env.test("rewind", "a failure that the code has handled stays", () -> rewound(env, "rewindHandled", "handled 0, then 1", "handled", "after"));
        env.test("rewind", "several that failed side by side run again", () -> rewound(env, "rewindMany", "[0, 1, 0, 1, 0, 1]", "step0", "step2", "step4"));
        env.test("rewind", "of what has not failed or is not there it is refused", () -> {
            String id = Env.completed(env.run("empty", null)).getInstanceId();
            Cases.refused(Status.Code.FAILED_PRECONDITION, id, () -> rewind(env, id, id));
            Cases.refused(Status.Code.NOT_FOUND, "no-such-instance", () -> rewind(env, id, "no-such-instance"));
        });
    }

    /** Runs what fails, and rewinds it: then it has that output, and what has not to run again has not. */
    private static void rewound(Env env, String name, Object output, String... done) throws Exception {
        String key = Env.fresh("rewind");
        String id = failed(env.run(name, key));
        List<Integer> before = runs(key, done);
        Cases.check(before.stream().allMatch(n -> n == 1 || Killed.ON && n > 1), "runs before: " + before);
        rewind(env, key, id);
        Cases.same(output, Env.completed(env.end(id)).readOutputAs(output.getClass()), "output");
        Cases.same(before, runs(key, done), "runs of what has not to run again");
    }

    private static List<Integer> runs(String key, String... tasks) {
        return Stream.of(tasks).map(task -> of(RUNS, key + task).get()).toList();
    }
}
