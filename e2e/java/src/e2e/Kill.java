package e2e;

import com.microsoft.durabletask.DurableTaskClient;
import com.microsoft.durabletask.DurableTaskGrpcClientBuilder;
import com.microsoft.durabletask.OrchestrationMetadata;
import com.microsoft.durabletask.RetryPolicy;
import com.microsoft.durabletask.Task;
import com.microsoft.durabletask.TaskOptions;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.PrintWriter;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Orchestrations of every kind, while the server is killed and started again: {@code Kill PORT LEDGER EACH}. Every run of
 * an activity is a line "instance task" to the ledger, which listens at the port LEDGER. There are EACH of each kind; each
 * kind prints one JSON line.
 */
public final class Kill {
    private static final List<String> KINDS = List.of("sequence", "fan-out", "sub-orchestrations", "timers and events", "continue-as-new", "retries");

    private final PrintWriter ledger;
    private final Set<String> failed = ConcurrentHashMap.newKeySet();
    private final DurableTaskClient client;

    private Kill(int port, Socket ledger) throws Exception {
        this.ledger = new PrintWriter(ledger.getOutputStream(), true, StandardCharsets.UTF_8);
        this.client = new DurableTaskGrpcClientBuilder().port(port).build();
    }

    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(args[0]);
        Kill k = new Kill(port, new Socket("127.0.0.1", Integer.parseInt(args[1])));
        Registry registry = new Registry();
        k.register(registry);
        registry.worker(port).start();
        registry.worker(port).start();
        System.exit(k.run(Integer.parseInt(args[2])) ? 0 : 1);
    }

    /** An activity's input: for which instance and task, and a number. */
    private static String input(String instance, String task, int n) {
        return instance + " " + task + " " + n;
    }

    private int note(String input) throws InterruptedException {
        String[] in = input.split(" ");
        ledger.println(in[0] + " " + in[1]);
        Thread.sleep(3);
        return Integer.parseInt(in[2]);
    }

    private void register(Registry r) {
        r.activity("plusOne", ctx -> {
            try {
                return note(ctx.getInput(String.class)) + 1;
            } catch (InterruptedException e) {
                throw new IllegalStateException("interrupted", e);
            }
        });
        r.activity("failsOnce", ctx -> {
            String in = ctx.getInput(String.class);
            ledger.println(in.substring(0, in.lastIndexOf(' ')));
            if (failed.add(in)) {
                throw new IllegalStateException("the first run fails");
            }
            return 1;
        });
        r.orchestration("sequence", ctx -> {
            int n = 0;
            for (int i = 0; i < 6; i++) {
                n = ctx.callActivity("plusOne", input(ctx.getInstanceId(), "s" + i, n), int.class).await();
            }
            ctx.complete(n);
        });
        r.orchestration("fan-out", ctx -> {
            List<Task<Integer>> tasks = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                tasks.add(ctx.callActivity("plusOne", input(ctx.getInstanceId(), "f" + i, i), Integer.class));
            }
            ctx.complete(ctx.allOf(tasks).await().stream().mapToInt(Integer::intValue).sum());
        });
        r.orchestration("sub-orchestrations", ctx -> {
            Task<Integer> a = ctx.callSubOrchestrator("sequence", null, ctx.getInstanceId() + "-a", Integer.class);
            Task<Integer> b = ctx.callSubOrchestrator("fan-out", null, ctx.getInstanceId() + "-b", Integer.class);
            ctx.complete(a.await() + b.await());
        });
        r.orchestration("timers and events", ctx -> {
            int n = ctx.callActivity("plusOne", input(ctx.getInstanceId(), "before", 0), int.class).await();
            ctx.createTimer(Duration.ofMillis(700)).await();
            n += ctx.waitForExternalEvent("go", Integer.class).await();
            ctx.complete(ctx.callActivity("plusOne", input(ctx.getInstanceId(), "after", n), int.class).await());
        });
        r.orchestration("continue-as-new", ctx -> {
            int n = ctx.getInput(Integer.class) == null ? 0 : ctx.getInput(Integer.class);
            n = ctx.callActivity("plusOne", input(ctx.getInstanceId(), "g" + n, n), int.class).await();
            if (n < 5) {
                ctx.continueAsNew(n);
            }
            ctx.complete(n);
        });
        r.orchestration("retries", ctx -> {
            int n = 0;
            for (int i = 0; i < 3; i++) {
                n += ctx.callActivity("failsOnce", input(ctx.getInstanceId(), "r" + i, i),
                        new TaskOptions(new RetryPolicy(5, Duration.ofMillis(100))), Integer.class).await();
            }
            ctx.complete(n);
        });
    }

    private static int want(String kind) {
        return switch (kind) {
            case "sequence" -> 6;
            case "fan-out" -> 36;
            case "sub-orchestrations" -> 42;
            case "timers and events" -> 9;
            case "continue-as-new" -> 5;
            default -> 3;
        };
    }

    private boolean run(int each) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(12);
        List<List<Future<?>>> all = new ArrayList<>();
        for (String kind : KINDS) {
            List<Future<?>> of = new ArrayList<>();
            for (int i = 0; i < each; i++) {
                String id = "kill-" + kind.replace(' ', '-') + "-" + i;
                of.add(pool.submit(() -> {
                    live(kind, id);
                    return null;
                }));
            }
            all.add(of);
        }
        boolean ok = true;
        for (int k = 0; k < KINDS.size(); k++) {
            String error = "";
            for (Future<?> f : all.get(k)) {
                try {
                    f.get();
                } catch (Exception e) {
                    error += e.getCause() + "\n";
                }
            }
            Cases.print("kill", "orchestrations with " + KINDS.get(k) + " complete", error, 0);
            ok &= error.isEmpty();
        }
        return ok;
    }

    /** Starts an instance and sees it through. */
    private void live(String kind, String id) throws Exception {
        start(client, kind, null, id);
        if (kind.equals("timers and events")) {
            insist(() -> {
                client.raiseEvent(id, "go", 7);
                return null;
            });
        }
        OrchestrationMetadata m = insist(() -> client.waitForInstanceCompletion(id, Env.LONG, true));
        Cases.same(want(kind), Env.completed(m).readOutputAs(Integer.class), "output of " + id);
    }

    /** Starts an instance, for as long as the server is away again and again. */
    static void start(DurableTaskClient client, String name, Object input, String id) throws Exception {
        insist(() -> {
            try {
                return client.scheduleNewOrchestrationInstance(name, input, id);
            } catch (StatusRuntimeException e) {
                if (e.getStatus().getCode() == Status.Code.ALREADY_EXISTS) {
                    return id; // a call that had no answer has done it
                }
                throw e;
            }
        });
    }

    /** Calls again for as long as the server is away. */
    static <T> T insist(Callable<T> call) throws Exception {
        long end = System.nanoTime() + Env.LONG.toNanos();
        while (true) {
            try {
                return call.call();
            } catch (StatusRuntimeException e) {
                if (e.getStatus().getCode() != Status.Code.UNAVAILABLE || System.nanoTime() > end) {
                    throw e;
                }
                Thread.sleep(50);
            }
        }
    }
}
