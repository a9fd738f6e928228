package e2e;

import com.microsoft.durabletask.OrchestrationMetadata;
import com.microsoft.durabletask.OrchestrationRuntimeStatus;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.List;

/** Payloads up to their limit, and above. */
final class Payloads implements Group {
    private static final int MIB = 1 << 20;

    @Override
    public void add(Env env) {
        env.activity("length", ctx -> ctx.getInput(String.class).length());
        env.activity("make", ctx -> "y".repeat(ctx.getInput(int.class)));
        env.orchestration("large", ctx -> {
            String in = ctx.getInput(String.class);
            int n = ctx.callActivity("length", in, int.class).await();
            ctx.setCustomStatus(n);
            ctx.complete(ctx.callActivity("make", n, String.class).await());
        });
        env.test("large payloads", "a megabyte as input, argument, result and output", () -> {
            OrchestrationMetadata m = Env.completed(env.run("large", "x".repeat(MIB)));
            Cases.same(MIB, m.readOutputAs(String.class).length(), "output");
            Cases.same(MIB, m.readCustomStatusAs(int.class), "what the activity got");
        });
        env.test("large payloads", "an event of a megabyte", () -> {
            String id = env.start("awaitGo", null, "large");
            env.client.raiseEvent(id, "go", "z".repeat(MIB));
            Cases.same(MIB, Env.completed(env.end(id)).readOutputAs(String.class).length(), "output");
        });
        env.test("large payloads", "an input above the limit is refused", () ->
                Cases.refused(Status.Code.INVALID_ARGUMENT, "bytes", () ->
                        env.client.scheduleNewOrchestrationInstance("large", "x".repeat(3 * MIB))));
        env.orchestration("hoard", ctx -> {
            List<Integer> lengths = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                lengths.add(ctx.callActivity("make", MIB, String.class).await().length());
            }
            ctx.complete(lengths);
        });
        env.test("large payloads", "a history that is too large for a worker's messages fails with both sizes", () -> {
            OrchestrationMetadata m = env.run("hoard", null);
            Cases.same(OrchestrationRuntimeStatus.FAILED, m.getRuntimeStatus(), "status");
            Cases.check(m.getFailureDetails().getErrorMessage().matches("(?s).*\\d{7}.*\\d{7}.*"), m.getFailureDetails().getErrorMessage());
        });
        env.orchestration("overweight", ctx -> {
            try {
                ctx.complete(ctx.callActivity("make", 3 * MIB, String.class).await().length());
            } catch (com.microsoft.durabletask.TaskFailedException e) {
                ctx.complete(e.getErrorDetails().getErrorMessage());
            }
        });
        env.test("large payloads", "a result above the limit fails its activity, and says so", () -> {
            String message = env.output("overweight", null, String.class);
            Cases.check(message.contains("bytes"), message);
        });
    }
}
