package e2e;

import com.microsoft.durabletask.DurableTaskGrpcWorker;
import com.microsoft.durabletask.DurableTaskGrpcWorkerBuilder;
import com.microsoft.durabletask.Task;
import io.grpc.ManagedChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** Several workers of one task hub, and workers that go. */
final class Workers implements Group {
    private static final Map<String, Set<String>> SEEN = new ConcurrentHashMap<>();

    /** What the SDK logs; the field keeps the logger alive. */
    private static final Logger LOGGER = Logger.getLogger("com.microsoft.durabletask");

    /** How many answers of workers were refused: the SDK says no more of that than a line in its log. */
    private static final AtomicInteger REFUSED = new AtomicInteger();

    static {
        LOGGER.addHandler(new Handler() {
            @Override
            public void publish(LogRecord r) {
                if (r.getMessage().startsWith("Unexpected failure")) {
                    REFUSED.incrementAndGet();
                }
            }

            @Override
            public void flush() { }

            @Override
            public void close() { }
        });
    }

    private static DurableTaskGrpcWorkerBuilder builder(String worker, CountDownLatch met) {
        return new DurableTaskGrpcWorkerBuilder()
                .addOrchestration(Registry.orchestrations("meet", ctx -> {
                    List<Task<String>> tasks = new ArrayList<>();
                    for (int i = 0; i < 10; i++) {
                        tasks.add(ctx.callActivity("who", ctx.getInstanceId(), String.class));
                    }
                    ctx.complete(ctx.allOf(tasks).await());
                }))
                .addActivity(Registry.activities("who", ctx -> {
                    // Each worker does one thing at a time: both have some, unless one comes when all are given out.
                    if (SEEN.computeIfAbsent(ctx.getInput(String.class), k -> ConcurrentHashMap.newKeySet()).add(worker)) {
                        met.countDown();
                    }
                    try {
                        met.await(300, TimeUnit.MILLISECONDS);
                    } catch (InterruptedException e) {
                        throw new IllegalStateException("interrupted", e);
                    }
                    return worker;
                }));
    }

    @Override
    public void add(Env env) {
        late(env);
        slow(env);
        again(env);
        env.test("workers", "two share the work of one orchestration", () -> {
            try (Hubs.Hub h = new Hubs.Hub(env.port, "workers")) {
                h.client.createTaskHub(true);
                CountDownLatch met = new CountDownLatch(2);
                builder("one", met).grpcChannel(h.named).build().start();
                DurableTaskGrpcWorker two = builder("two", met).grpcChannel(h.named).build();
                Thread t = new Thread(two::startAndBlock);
                t.setDaemon(true);
                t.start();
                for (int n = 1; ; n++) { // until both have come
                    String id = h.client.scheduleNewOrchestrationInstance("meet");
                    List<?> who = Env.completed(h.client.waitForInstanceCompletion(id, Env.LONG, true)).readOutputAs(List.class);
                    boolean both = who.contains("one") && who.contains("two");
                    Cases.check(who.size() == 10 && (both || n < 10), "the work was done by " + who);
                    if (both) {
                        break;
                    }
                }
            }
        });
        env.test("workers", "what a worker has that is lost is done by another one", () -> {
            try (Hubs.Hub h = new Hubs.Hub(env.port, "lost")) {
                h.client.createTaskHub(true);
                CountDownLatch begun = new CountDownLatch(1);
                CountDownLatch end = new CountDownLatch(1);
                Hubs.Hub doomed = new Hubs.Hub(env.port, "lost");
                lone("stuck", begun, end).grpcChannel(doomed.named).build().start();
                String id = h.client.scheduleNewOrchestrationInstance("lone");
                Cases.check(begun.await(Env.LONG.toSeconds(), TimeUnit.SECONDS), "the activity has not begun");
                ManagedChannel c = doomed.channel;
                c.shutdownNow();
                CountDownLatch now = new CountDownLatch(0);
                lone("other", new CountDownLatch(1), now).grpcChannel(h.named).build().start();
                Cases.same("other", Env.completed(h.client.waitForInstanceCompletion(id, Env.LONG, true)).readOutputAs(String.class), "who did it");
                end.countDown();
            }
        });
        env.test("workers", "one that was stopped works no more, and one that was started later does", () -> {
            try (Hubs.Hub h = new Hubs.Hub(env.port, "stopped")) {
                h.client.createTaskHub(true);
                Hubs.Hub own = new Hubs.Hub(env.port, "stopped");
                DurableTaskGrpcWorker w = env.registry.worker(own.named);
                w.start();
                String first = h.client.scheduleNewOrchestrationInstance("chain", 1);
                Env.completed(h.client.waitForInstanceCompletion(first, Env.LONG, true));
                w.stop();
                own.close();
                String second = h.client.scheduleNewOrchestrationInstance("awaitGo");
                Cases.thrown(TimeoutException.class, () ->
                        h.client.waitForInstanceStart(second, Duration.ofMillis(300)));
                h.client.raiseEvent(second, "go", "at last");
                env.registry.worker(h.named).start();
                Cases.same("at last", Env.completed(h.client.waitForInstanceCompletion(second, Env.LONG, true)).readOutputAs(String.class), "output");
            }
        });
    }

    /** A worker of this SDK takes a refusal for a lost server: it leaves its stream open and makes another one. */
    private static void late(Env env) {
        env.test("workers", "a result that comes too late costs a worker nothing", () -> {
            try (Hubs.Hub h = new Hubs.Hub(env.port, "late")) {
                h.client.createTaskHub(true);
                CountDownLatch begun = new CountDownLatch(1);
                CountDownLatch end = new CountDownLatch(1);
                lone("late", begun, end).grpcChannel(h.named).build().start();
                String id = h.client.scheduleNewOrchestrationInstance("lone");
                Cases.check(begun.await(Env.LONG.toSeconds(), TimeUnit.SECONDS), "the activity has not begun");
                h.client.terminate(id, null);
                h.client.waitForInstanceCompletion(id, Env.LONG, false);
                Cases.same(1, h.client.purgeInstance(id).getDeletedInstanceCount(), "deleted");
                end.countDown();
                List<String> more = new ArrayList<>();
                for (int i = 0; i < 10; i++) {
                    more.add(h.client.scheduleNewOrchestrationInstance("lone"));
                }
                for (String m : more) {
                    Env.completed(h.client.waitForInstanceCompletion(m, Env.LONG, true));
                }
                Cases.same(0, REFUSED.get(), "refused answers");
            }
        });
    }

    /** This SDK's answers name the instance and the task alone. */
    private static void again(Env env) {
        env.test("workers", "what an activity returns after its instance was started anew is not the new one's", () -> {
            try (Hubs.Hub one = new Hubs.Hub(env.port, "again"); Hubs.Hub two = new Hubs.Hub(env.port, "again")) {
                one.client.createTaskHub(true);
                CountDownLatch begun = new CountDownLatch(1);
                CountDownLatch end = new CountDownLatch(1);
                AtomicInteger runs = new AtomicInteger();
                for (Hubs.Hub h : List.of(one, two)) {
                    new DurableTaskGrpcWorkerBuilder().grpcChannel(h.named)
                            .addOrchestration(Registry.orchestrations("again", ctx -> ctx.complete(ctx.callActivity("run", Integer.class).await())))
                            .addActivity(Registry.activities("run", ctx -> {
                                int run = runs.incrementAndGet();
                                if (run == 1) {
                                    begun.countDown();
                                    try {
                                        end.await();
                                    } catch (InterruptedException e) {
                                        throw new IllegalStateException("interrupted", e);
                                    }
                                }
                                return run;
                            })).build().start();
                }
                String id = one.client.scheduleNewOrchestrationInstance("again");
                Cases.check(begun.await(Env.LONG.toSeconds(), TimeUnit.SECONDS), "the activity has not begun");
                one.client.terminate(id, null);
                one.client.waitForInstanceCompletion(id, Env.LONG, false);
                one.client.scheduleNewOrchestrationInstance("again", null, id);
                try {
                    one.client.waitForInstanceStart(id, Duration.ofMillis(300));
                } catch (TimeoutException e) {
                    // Its first step went to the worker that is busy.
                }
                end.countDown();
                Cases.same(2, Env.completed(one.client.waitForInstanceCompletion(id, Env.LONG, true)).readOutputAs(int.class), "output");
                Cases.same(0, REFUSED.get(), "refused answers");
            }
        });
    }

    private static void slow(Env env) {
        env.test("metadata", "an instance is pending until its first step has ended", () -> {
            try (Hubs.Hub h = new Hubs.Hub(env.port, "slow")) {
                h.client.createTaskHub(true);
                CountDownLatch end = new CountDownLatch(1);
                new DurableTaskGrpcWorkerBuilder().grpcChannel(h.named).addOrchestration(Registry.orchestrations("slow", ctx -> {
                    try {
                        end.await();
                    } catch (InterruptedException e) {
                        throw new IllegalStateException("interrupted", e);
                    }
                    ctx.waitForExternalEvent("go").await();
                })).build().start();
                String id = h.client.scheduleNewOrchestrationInstance("slow");
                Cases.thrown(TimeoutException.class, () -> h.client.waitForInstanceStart(id, Duration.ofMillis(500)));
                end.countDown();
                Cases.check(h.client.waitForInstanceStart(id, Env.LONG).isRunning(), "it does not run");
            }
        });
    }

    private static DurableTaskGrpcWorkerBuilder lone(String worker, CountDownLatch begun, CountDownLatch end) {
        return new DurableTaskGrpcWorkerBuilder()
                .addOrchestration(Registry.orchestrations("lone", ctx -> ctx.complete(ctx.callActivity("one", String.class).await())))
                .addActivity(Registry.activities("one", ctx -> {
                    begun.countDown();
                    try {
                        end.await();
                    } catch (InterruptedException e) {
                        throw new IllegalStateException("interrupted", e);
                    }
                    return worker;
                }));
    }
}
