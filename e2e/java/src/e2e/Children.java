package e2e;

import com.microsoft.durabletask.OrchestrationRuntimeStatus;
import com.microsoft.durabletask.Task;
import com.microsoft.durabletask.TaskFailedException;
import com.microsoft.durabletask.TaskOptions;
import java.util.ArrayList;
import java.util.List;

/** Sub-orchestrations. */
final class Children implements Group {
    @Override
    public void add(Env env) {
        env.orchestration("factorial", ctx -> {
            int n = ctx.getInput(int.class);
            ctx.complete(n <= 1 ? 1 : n * ctx.callSubOrchestrator("factorial", n - 1, Integer.class).await());
        });
        env.test("sub-orchestrations", "they return results, five deep", () ->
                Cases.same(120, env.output("factorial", 5, Integer.class), "5!"));
        env.orchestration("childForms", ctx -> {
            String own = ctx.getInstanceId();
            List<Object> all = new ArrayList<>();
            // The forms without a type of the result do not work in this SDK: it refuses its own call.
            all.add(ctx.callSubOrchestrator("empty", "in", Void.class).await());
            all.add(ctx.callSubOrchestrator("empty", null, null, Void.class).await());
            all.add(ctx.callSubOrchestrator("self", null, own + "-named", List.class).await());
            all.add(ctx.callSubOrchestrator("empty", null, own + "-void", (TaskOptions) null).await());
            ctx.complete(all);
        });
        env.test("sub-orchestrations", "under an ID of one's own or a new one, with results or without", () -> {
            var m = Env.completed(env.run("childForms", null));
            List<?> all = m.readOutputAs(List.class);
            Cases.same(List.of("self", m.getInstanceId() + "-named"), all.get(2), "the named child's output");
            Env.completed(env.client.getInstanceMetadata(m.getInstanceId() + "-named", true));
            Env.completed(env.client.getInstanceMetadata(m.getInstanceId() + "-void", true));
        });
        env.orchestration("family", ctx -> {
            List<Task<Integer>> tasks = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                tasks.add(ctx.callSubOrchestrator("chain", i, Integer.class));
            }
            ctx.complete(ctx.allOf(tasks).await().stream().mapToInt(Integer::intValue).sum());
        });
        env.test("sub-orchestrations", "twenty side by side", () ->
                Cases.same(390, env.output("family", null, Integer.class), "sum"));
        env.orchestration("taken", ctx -> {
            try {
                ctx.callSubOrchestrator("empty", null, ctx.getInput(String.class), Void.class).await();
                ctx.complete("started");
            } catch (TaskFailedException e) {
                ctx.complete(e.getErrorDetails().getErrorMessage());
            }
        });
        env.test("sub-orchestrations", "one under the ID of a live instance fails by name", () -> {
            String id = env.start("awaitGo", null, "live");
            env.client.waitForInstanceStart(id, Env.LONG);
            String message = env.output("taken", id, String.class);
            Cases.check(message.contains(id), message + " does not name " + id);
            env.client.raiseEvent(id, "go", "on");
            Env.completed(env.end(id));
        });
        env.orchestration("parentOfStuck", ctx -> {
            try {
                ctx.callSubOrchestrator("awaitGo", null, ctx.getInstanceId() + "-child", String.class).await();
            } catch (TaskFailedException e) {
                ctx.complete("the child has failed");
            }
        });
        env.test("sub-orchestrations", "a child that is terminated has failed to its parent", () -> {
            String id = env.start("parentOfStuck", null, "parent");
            env.until(id + "-child", OrchestrationRuntimeStatus.RUNNING);
            env.client.terminate(id + "-child", "enough");
            Cases.same("the child has failed", Env.completed(env.end(id)).readOutputAs(String.class), "output");
        });
    }
}
