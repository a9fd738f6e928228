package e2e;

import com.microsoft.durabletask.Task;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** Durable timers. */
final class Timers implements Group {
    private static final Map<String, AtomicInteger> STEPS = new ConcurrentHashMap<>();

    private static int steps(String id) {
        return STEPS.computeIfAbsent(id, k -> new AtomicInteger()).get();
    }

    @Override
    public void add(Env env) {
        env.orchestration("sleep", ctx -> {
            STEPS.computeIfAbsent(ctx.getInstanceId(), k -> new AtomicInteger()).incrementAndGet();
            Duration d = Duration.ofMillis(ctx.getInput(int.class));
            Instant begin = ctx.getCurrentInstant();
            // This SDK's await returns after the first part of a timer that it has split, allOf after the last one.
            ctx.allOf(ctx.createTimer(d)).await();
            ctx.complete(Duration.between(begin, ctx.getCurrentInstant()).toMillis());
        });
        env.test("timers", "a timer fires after its time, and not before", () -> {
            var m = Env.completed(env.run("sleep", 300));
            long ms = m.readOutputAs(Long.class);
            Cases.check(ms >= 300 && ms < 20_000, "it took " + ms + " ms");
            Cases.check(Duration.between(m.getCreatedAt(), m.getLastUpdatedAt()).toMillis() >= 300, "times of " + m);
            Cases.same(2, steps(m.getInstanceId()), "steps");
        });
        env.test("timers", "a timer of no time fires", () -> env.output("sleep", 0, Long.class));
        env.test("timers", "a timer in the past fires", () -> env.output("sleep", -100_000, Long.class));
        env.test("timers", "a long timer is split, and fires after its whole time", () -> {
            var m = Env.completed(env.run("sleep", 2500)); // 1 s + 1 s + 0.5 s
            Cases.check(m.readOutputAs(Long.class) >= 2500, "it took " + m.readOutputAs(Long.class) + " ms");
            Cases.same(4, steps(m.getInstanceId()), "steps");
        });
        env.orchestration("alarm", ctx -> {
            Instant at = ctx.getCurrentInstant().plusMillis(200);
            ctx.createTimer(ZonedDateTime.ofInstant(at, ZoneId.of("Asia/Kathmandu"))).await();
            ctx.complete(!ctx.getCurrentInstant().isBefore(at));
        });
        env.test("timers", "a timer at a time of day, in whatever zone", () ->
                Cases.same(true, env.output("alarm", null, Boolean.class), "in time"));
        env.orchestration("tick", ctx -> {
            for (int i = 0; i < 5; i++) {
                ctx.createTimer(Duration.ofMillis(50)).await();
            }
            ctx.complete("ticked");
        });
        env.test("timers", "timers in a loop", () -> Cases.same("ticked", env.output("tick", null, String.class), "output"));
        env.orchestration("race", ctx -> {
            Task<Void> late = ctx.createTimer(Duration.ofMinutes(30));
            Task<Void> soon = ctx.createTimer(Duration.ofMillis(30));
            Task<String> work = ctx.callActivity("echo", "work", String.class);
            Task<?> first = ctx.anyOf(late, work).await();
            Task<?> second = ctx.anyOf(late, soon).await();
            ctx.complete(List.of(first == work, second == soon, late.isDone()));
        });
        env.test("timers", "a timer that is not awaited holds up nothing", () ->
                Cases.same(List.of(true, true, false), env.output("race", null, List.class), "output"));
    }
}
