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
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Rewinding. The SDK's client cannot ask for it, but its stubs, the command and the HTTP API can. Its worker knows nothing
 * of it, so the server does it all.
 */
final class Rewinds implements Group {
    private static void rewind(Env env, String id) throws Exception {
        try (Hubs.Hub h = new Hubs.Hub(env.port, "default")) {
            TaskHubSidecarServiceGrpc.newBlockingStub(h.named).rewindInstance(RewindInstanceRequest.newBuilder().setInstanceId(id).build());
        }
    }

    private static String failed(OrchestrationMetadata m) {
        Cases.same(OrchestrationRuntimeStatus.FAILED, m.getRuntimeStatus(), "status of " + m);
        return m.getInstanceId();
    }

    @Override
    public void add(Env env) {
        env.orchestration("rewindFlow", ctx -> {
            String key = ctx.getInput(String.class);
            int good = ctx.callActivity("flaky", key + "-good 0", int.class).await();
            int bad = ctx.callActivity("flaky", key + " 1", int.class).await();
            ctx.complete(10 * good + bad);
        });
        env.orchestration("rewindParent", ctx ->
                ctx.complete(ctx.callSubOrchestrator("rewindFlow", ctx.getInput(String.class), int.class).await()));
        env.orchestration("rewindRetries", ctx -> {
            TaskOptions twice = new TaskOptions(new RetryPolicy(2, Duration.ofMillis(10)));
            ctx.complete(ctx.callActivity("flaky", ctx.getInput(String.class) + " 2", twice, int.class).await());
        });
        env.orchestration("rewindHandled", ctx -> {
            String key = ctx.getInput(String.class);
            String handled = "";
            try {
                ctx.callActivity("flaky", key + "-handled 9", int.class).await();
            } catch (TaskFailedException e) {
                handled = "handled " + ctx.callActivity("flaky", key + "-after 0", int.class).await();
            }
            ctx.complete(handled + ", then " + ctx.callActivity("flaky", key + " 1", int.class).await());
        });
        env.orchestration("rewindMany", ctx -> {
            String key = ctx.getInput(String.class);
            List<Task<Integer>> all = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                all.add(ctx.callActivity("flaky", key + "-" + i + " " + i % 2, int.class));
            }
            ctx.complete(ctx.allOf(all).await().stream().mapToInt(Integer::intValue).sum());
        });
        env.test("rewind", "a failed activity runs again, and nothing else does", () -> {
            String key = Env.fresh("rewind");
            String id = failed(env.run("rewindFlow", key));
            rewind(env, id);
            Cases.same(12, Env.completed(env.end(id)).readOutputAs(Integer.class), "output");
            Cases.same(1, Failures.runs(key + "-good"), "runs of what has not failed");
            Cases.same(2, Failures.runs(key), "runs of what has failed");
        });
        env.test("rewind", "a failed sub-orchestration goes on as well", () -> {
            String key = Env.fresh("rewind");
            String id = failed(env.run("rewindParent", key));
            rewind(env, id);
            Cases.same(12, Env.completed(env.end(id)).readOutputAs(Integer.class), "output");
            Cases.same(1, Failures.runs(key + "-good"), "runs of what has not failed");
        });
        env.test("rewind", "of an activity with a retry policy the last attempt is made again", () -> {
            String key = Env.fresh("rewind");
            String id = failed(env.run("rewindRetries", key));
            rewind(env, id);
            Cases.same(3, Env.completed(env.end(id)).readOutputAs(Integer.class), "output");
        });
        env.test("rewind", "a failure that the code has handled stays", () -> {
            String key = Env.fresh("rewind");
            String id = failed(env.run("rewindHandled", key));
            rewind(env, id);
            Cases.same("handled 1, then 2", Env.completed(env.end(id)).readOutputAs(String.class), "output");
            Cases.same(1, Failures.runs(key + "-handled"), "runs of what was handled");
        });
        env.test("rewind", "several that failed side by side run again", () -> {
            String key = Env.fresh("rewind");
            String id = failed(env.run("rewindMany", key));
            rewind(env, id);
            Cases.same(9, Env.completed(env.end(id)).readOutputAs(Integer.class), "output");
        });
        env.test("rewind", "of what has not failed or is not there it is refused", () -> {
            String id = Env.completed(env.run("empty", null)).getInstanceId();
            Cases.refused(Status.Code.FAILED_PRECONDITION, id, () -> rewind(env, id));
            Cases.refused(Status.Code.NOT_FOUND, "no-such-instance", () -> rewind(env, "no-such-instance"));
        });
    }
}
