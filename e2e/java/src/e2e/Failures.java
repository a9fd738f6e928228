package e2e;

import com.microsoft.durabletask.CompositeTaskFailedException;
import com.microsoft.durabletask.FailureDetails;
import com.microsoft.durabletask.OrchestrationMetadata;
import com.microsoft.durabletask.OrchestrationRuntimeStatus;
import com.microsoft.durabletask.RetryPolicy;
import com.microsoft.durabletask.Task;
import com.microsoft.durabletask.TaskFailedException;
import com.microsoft.durabletask.TaskOptions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/** What fails, how it is told, and what is tried again. */
final class Failures implements Group {
    private static final Map<String, AtomicInteger> RUNS = new ConcurrentHashMap<>();
    private static final Map<String, List<String>> HANDLED = new ConcurrentHashMap<>();

    /** Fails with a class of its own. */
    public static final class Broken extends IllegalStateException {
        public Broken(String message) {
            super(message);
        }
    }

    static int runs(String key) {
        return RUNS.computeIfAbsent(key, k -> new AtomicInteger()).get();
    }

    private static int count(String key) {
        return RUNS.computeIfAbsent(key, k -> new AtomicInteger()).incrementAndGet();
    }

    @Override
    public void add(Env env) {
        env.orchestration("callsOut", ctx -> ctx.complete(
                ctx.callActivity("BuiltIn::HttpActivity", Map.of("method", "GET", "uri", "https://example.com"), Map.class).await()));
        env.test("HTTP calls", "a server that makes none says what to set", () -> {
            OrchestrationMetadata m = env.run("callsOut", null);
            Cases.same(OrchestrationRuntimeStatus.FAILED, m.getRuntimeStatus(), "status");
            Cases.check(m.getFailureDetails().getErrorMessage().contains("calls.hosts"), m.getFailureDetails().getErrorMessage());
        });
        // Its input is "key times": it fails that often, and succeeds from then on.
        env.activity("flaky", ctx -> {
            String[] in = ctx.getInput(String.class).split(" ");
            int run = count(in[0]);
            if (run <= Integer.parseInt(in[1])) {
                throw new Broken("run " + run);
            }
            return run;
        });
        env.orchestration("flakyChild", ctx -> {
            String[] in = ctx.getInput(String.class).split(" ");
            int run = count(in[0]);
            if (run <= Integer.parseInt(in[1])) {
                throw new Broken("run " + run);
            }
            ctx.complete(run);
        });
        // These fail whenever they run, so that it does not matter how often they do.
        env.activity("broken", ctx -> {
            throw new Broken("it is " + ctx.getInput(String.class));
        });
        env.orchestration("brokenChild", ctx -> {
            throw new Broken("it is " + ctx.getInput(String.class));
        });
        details(env);
        children(env);
        policies(env);
        handlers(env);
    }

    private static void failed(FailureDetails d, String type, String message) {
        Cases.check(d != null, "there are no failure details");
        Cases.same(type, d.getErrorType(), "error type");
        Cases.check(d.getErrorMessage().contains(message), d.getErrorMessage() + " does not say " + message);
    }

    private static void details(Env env) {
        env.orchestration("throws", ctx -> {
            throw new Broken("kaputt ☠");
        });
        env.test("failure details", "an orchestration's exception is its failure: class, message, stack", () -> {
            var m = env.run("throws", null);
            Cases.same(OrchestrationRuntimeStatus.FAILED, m.getRuntimeStatus(), "status");
            failed(m.getFailureDetails(), Broken.class.getName(), "kaputt ☠");
            Cases.check(m.getFailureDetails().getStackTrace().contains("e2e.Failures"), "stack: " + m.getFailureDetails().getStackTrace());
            Cases.check(m.getFailureDetails().isCausedBy(IllegalStateException.class), "is no IllegalStateException");
            Cases.check(!m.getFailureDetails().isCausedBy(IllegalArgumentException.class), "is an IllegalArgumentException");
        });
        env.orchestration("uncaught", ctx -> ctx.callActivity("broken", ctx.getInput(String.class), int.class).await());
        env.test("failure details", "an activity's exception that nobody catches fails the orchestration", () -> {
            var m = env.run("uncaught", "lost");
            Cases.same(OrchestrationRuntimeStatus.FAILED, m.getRuntimeStatus(), "status");
            failed(m.getFailureDetails(), TaskFailedException.class.getName(), "it is lost");
            Cases.check(m.getFailureDetails().getErrorMessage().contains("broken"), m.getFailureDetails().getErrorMessage());
        });
        env.orchestration("caught", ctx -> {
            try {
                ctx.callActivity("broken", ctx.getInput(String.class), int.class).await();
            } catch (TaskFailedException e) {
                FailureDetails d = e.getErrorDetails();
                ctx.complete(List.of(e.getTaskName(), e.getTaskId(), d.getErrorType(), d.getErrorMessage(),
                        d.isCausedBy(IllegalStateException.class), d.isNonRetriable(), d.getStackTrace().contains("e2e.Failures")));
            }
        });
        env.test("failure details", "an activity's exception can be caught, with all that is known of it", () ->
                Cases.same(List.of("broken", 0, Broken.class.getName(), "it is lost", true, false, true),
                        env.output("caught", "lost", List.class), "output"));
        env.orchestration("someFail", ctx -> {
            List<Task<Integer>> tasks = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                tasks.add(ctx.callActivity(i % 2 == 0 ? "plusOne" : "broken", i, Integer.class));
            }
            try {
                ctx.allOf(tasks).await();
            } catch (CompositeTaskFailedException e) {
                List<String> all = new ArrayList<>();
                e.getExceptions().forEach(x -> all.add(((TaskFailedException) x).getErrorDetails().getErrorMessage()));
                ctx.complete(all);
            }
        });
        env.test("failure details", "allOf fails with each of the exceptions", () ->
                Cases.same(List.of("it is 1", "it is 3", "it is 5"), env.output("someFail", null, List.class), "output"));
        env.orchestration("unknownActivity", ctx -> ctx.callActivity("thereIsNone").await());
        env.test("failure details", "an activity that the worker does not have fails by name", () -> {
            var m = env.run("unknownActivity", null);
            Cases.same(OrchestrationRuntimeStatus.FAILED, m.getRuntimeStatus(), "status");
            Cases.check(m.getFailureDetails().getErrorMessage().contains("thereIsNone"), m.getFailureDetails().getErrorMessage());
        });
        env.test("failure details", "an orchestration that the worker does not have fails", () ->
                Cases.same(OrchestrationRuntimeStatus.FAILED, env.run("thereIsNone", null).getRuntimeStatus(), "status"));
        env.orchestration("fickle", ctx -> {
            if (count(ctx.getInstanceId()) == 1) {
                ctx.callActivity("plusOne", 1, int.class).await();
            }
        });
        env.test("failure details", "code that differs from its history fails, and says so", () -> {
            var m = env.run("fickle", null);
            Cases.same(OrchestrationRuntimeStatus.FAILED, m.getRuntimeStatus(), "status");
            Cases.check(m.getFailureDetails().getErrorMessage().contains("Non-deterministic"), m.getFailureDetails().getErrorMessage());
        });
    }

    private static void children(Env env) {
        env.orchestration("childFails", ctx -> {
            try {
                ctx.callSubOrchestrator("brokenChild", ctx.getInput(String.class), int.class).await();
            } catch (TaskFailedException e) {
                ctx.complete(List.of(e.getTaskName(), e.getErrorDetails().getErrorType(), e.getErrorDetails().getErrorMessage()));
            }
        });
        env.test("failure details", "a sub-orchestration's exception can be caught", () ->
                Cases.same(List.of("brokenChild", Broken.class.getName(), "it is lost"),
                        env.output("childFails", "lost", List.class), "output"));
    }

    private static void policies(Env env) {
        env.orchestration("retried", ctx -> ctx.complete(ctx.callActivity("flaky", ctx.getInput(String.class),
                new TaskOptions(new RetryPolicy(3, Duration.ofMillis(20))), Integer.class).await()));
        env.test("retries", "an activity is tried again until it succeeds", () ->
                Cases.same(3, env.output("retried", Env.fresh("retried") + " 2", Integer.class), "runs"));
        env.test("retries", "a policy ends with its attempts", () -> {
            String key = Env.fresh("ends");
            Cases.same(OrchestrationRuntimeStatus.FAILED, env.run("retried", key + " 9").getRuntimeStatus(), "status");
            Cases.same(3, runs(key), "runs");
        });
        env.orchestration("voidRetried", ctx -> ctx.callActivity("flaky", ctx.getInput(String.class),
                new TaskOptions(new RetryPolicy(2, Duration.ofMillis(1)))).await());
        env.test("retries", "an activity without result is tried again", () ->
                Env.completed(env.run("voidRetried", Env.fresh("void") + " 1")));
        env.orchestration("backoff", ctx -> {
            RetryPolicy p = new RetryPolicy(9, Duration.ofMillis(50)).setMaxNumberOfAttempts(5).setBackoffCoefficient(2)
                    .setFirstRetryInterval(Duration.ofMillis(100)).setMaxRetryInterval(Duration.ofMillis(400));
            Instant begin = ctx.getCurrentInstant();
            ctx.callActivity("flaky", ctx.getInput(String.class), new TaskOptions(p), Integer.class).await();
            ctx.complete(Duration.between(begin, ctx.getCurrentInstant()).toMillis());
        });
        env.test("retries", "the pause grows by its coefficient up to the longest", () -> {
            long ms = env.output("backoff", Env.fresh("backoff") + " 4", Long.class); // 200 + 400 + 400 + 400
            Cases.check(ms >= 1400 && ms < 20_000, "the pauses took " + ms + " ms, want 1400 and what the machine needs");
        });
        env.orchestration("retryTimeout", ctx -> ctx.callActivity("flaky", ctx.getInput(String.class), new TaskOptions(
                new RetryPolicy(1000, Duration.ofMillis(500)).setRetryTimeout(Duration.ofMillis(2000))), Integer.class).await());
        env.test("retries", "a policy ends with its time", () -> {
            String key = Env.fresh("time");
            Cases.same(OrchestrationRuntimeStatus.FAILED, env.run("retryTimeout", key + " 9999").getRuntimeStatus(), "status");
            Cases.check(runs(key) >= 1 && runs(key) <= 5, "runs: " + runs(key));
        });
        env.orchestration("childRetried", ctx -> ctx.complete(ctx.callSubOrchestrator("flakyChild", ctx.getInput(String.class), null,
                new TaskOptions(new RetryPolicy(3, Duration.ofMillis(20))), Integer.class).await()));
        env.test("retries", "a sub-orchestration is tried again, under the same ID", () ->
                Cases.same(3, env.output("childRetried", Env.fresh("childRetried") + " 2", Integer.class), "runs"));
        env.test("retries", "a sub-orchestration's policy ends with its attempts", () -> {
            String key = Env.fresh("childEnds");
            Cases.same(OrchestrationRuntimeStatus.FAILED, env.run("childRetried", key + " 9").getRuntimeStatus(), "status");
            Cases.same(3, runs(key), "runs");
        });
        env.orchestration("fanRetried", ctx -> {
            List<Task<Integer>> tasks = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                tasks.add(ctx.callActivity("flaky", ctx.getInput(String.class) + i + " " + i % 3,
                        new TaskOptions(new RetryPolicy(4, Duration.ofMillis(10))), Integer.class));
            }
            ctx.complete(ctx.allOf(tasks).await());
        });
        env.test("retries", "activities that run side by side are tried again", () ->
                Cases.same(List.of(1, 2, 3, 1, 2), env.output("fanRetried", Env.fresh("fan"), List.class), "runs"));
    }

    private static void handlers(Env env) {
        env.orchestration("handled", ctx -> ctx.complete(ctx.callActivity("flaky", ctx.getInput(String.class), new TaskOptions(retry -> {
            if (!retry.getOrchestrationContext().getIsReplaying()) {
                HANDLED.computeIfAbsent(ctx.getInstanceId(), k -> new CopyOnWriteArrayList<>())
                        .add(retry.getLastAttemptNumber() + " " + retry.getLastFailure().getErrorMessage() + " "
                                + retry.getTotalRetryTime().isNegative());
            }
            retry.getOrchestrationContext().createTimer(Duration.ofMillis(5)).await();
            return retry.getLastFailure().isCausedBy(IllegalStateException.class) && retry.getLastAttemptNumber() < 4;
        }), Integer.class).await()));
        env.test("retries", "a handler decides, and knows the attempt and the failure", () -> {
            var m = Env.completed(env.run("handled", Env.fresh("handled") + " 2"));
            Cases.same(3, m.readOutputAs(Integer.class), "runs");
            Cases.same(List.of("1 run 1 false", "2 run 2 false"), HANDLED.get(m.getInstanceId()), "what the handler was told");
        });
        env.test("retries", "a handler that declines ends it", () -> {
            String key = Env.fresh("declined");
            Cases.same(OrchestrationRuntimeStatus.FAILED, env.run("handled", key + " 99").getRuntimeStatus(), "status");
            Cases.same(4, runs(key), "runs");
        });
        env.orchestration("childHandled", ctx -> {
            ctx.callSubOrchestrator("flakyChild", ctx.getInput(String.class), ctx.getInstanceId() + "-child",
                    new TaskOptions(retry -> retry.getLastAttemptNumber() < 3)).await();
            ctx.complete("done");
        });
        env.test("retries", "a handler has a sub-orchestration tried again at once", () ->
                Cases.same("done", env.output("childHandled", Env.fresh("childHandled") + " 2", String.class), "output"));
    }
}
