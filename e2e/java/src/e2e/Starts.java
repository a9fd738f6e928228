package e2e;

import com.microsoft.durabletask.DataConverter;
import com.microsoft.durabletask.DurableTaskClient;
import com.microsoft.durabletask.DurableTaskGrpcClientBuilder;
import com.microsoft.durabletask.JacksonDataConverter;
import com.microsoft.durabletask.NewOrchestrationInstanceOptions;
import com.microsoft.durabletask.OrchestrationMetadata;
import com.microsoft.durabletask.OrchestrationRuntimeStatus;
import io.grpc.Status;
import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeoutException;

/** Starting instances, waiting for them and looking at them. */
final class Starts implements Group {
    @Override
    public void add(Env env) {
        starting(env);
        scheduled(env);
        identities(env);
        waiting(env);
        looking(env);
        converters(env);
    }

    private static void starting(Env env) {
        env.test("hello", "with a name, an input, an ID, or options", () -> {
            DurableTaskClient c = env.client;
            String id = Env.fresh("all");
            Cases.same(id, c.scheduleNewOrchestrationInstance("chain", 2, id), "ID");
            Cases.same(12, Env.completed(env.end(id)).readOutputAs(Integer.class), "output");
            String none = c.scheduleNewOrchestrationInstance("empty");
            Cases.check(!none.isEmpty() && !none.equals(c.scheduleNewOrchestrationInstance("empty", (Object) null)), "IDs");
            Env.completed(env.end(none));
            NewOrchestrationInstanceOptions o = new NewOrchestrationInstanceOptions().setVersion("1.2").setInput(3);
            Cases.same(13, Env.completed(env.end(c.scheduleNewOrchestrationInstance("chain", o))).readOutputAs(Integer.class), "output");
        });
    }

    private static void scheduled(Env env) {
        env.test("scheduled start", "an instance begins at its time, and is pending until then", () -> {
            Instant at = Instant.now().plusMillis(1200);
            String id = env.client.scheduleNewOrchestrationInstance("sleep", new NewOrchestrationInstanceOptions().setInput(0).setStartTime(at));
            Cases.same(OrchestrationRuntimeStatus.PENDING, env.client.getInstanceMetadata(id, false).getRuntimeStatus(), "status");
            OrchestrationMetadata m = Env.completed(env.end(id));
            Cases.check(!m.getLastUpdatedAt().isBefore(at), "it ended at " + m.getLastUpdatedAt() + ", its start was to be " + at);
        });
        env.test("scheduled start", "in the past is at once", () -> {
            String id = env.client.scheduleNewOrchestrationInstance("chain",
                    new NewOrchestrationInstanceOptions().setInput(1).setStartTime(Instant.EPOCH));
            Env.completed(env.end(id));
        });
        env.test("scheduled start", "an instance that has not begun can be terminated", () -> {
            String id = env.client.scheduleNewOrchestrationInstance("chain",
                    new NewOrchestrationInstanceOptions().setInput(1).setStartTime(Instant.now().plusSeconds(3600)));
            env.client.terminate(id, "never mind");
            Cases.same(OrchestrationRuntimeStatus.TERMINATED, env.end(id).getRuntimeStatus(), "status");
        });
    }

    private static void identities(Env env) {
        env.test("reuse policies", "an ID of a live instance is refused, of one that has ended is used again", () -> {
            String id = env.start("awaitGo", null, "twice");
            Cases.refused(Status.Code.ALREADY_EXISTS, id, () -> env.client.scheduleNewOrchestrationInstance("awaitGo", null, id));
            env.client.raiseEvent(id, "go", "first");
            Env.completed(env.end(id));
            env.client.scheduleNewOrchestrationInstance("chain", 1, id);
            Cases.same(11, Env.completed(env.end(id)).readOutputAs(Integer.class), "output");
        });
        env.test("reuse policies", "an ID of 256 characters, with signs and letters of any script", () -> {
            String odd = Env.fresh("a b:c,d[e]'f\"-é-漢字-😀");
            String longest = odd + "x".repeat(256 - odd.getBytes(java.nio.charset.StandardCharsets.UTF_8).length);
            for (String id : new String[] {odd, longest}) {
                env.client.scheduleNewOrchestrationInstance("self", null, id);
                Cases.check(Env.completed(env.end(id)).getSerializedOutput().contains("漢字"), "output");
                Cases.same(id, env.client.getInstanceMetadata(id, false).getInstanceId(), "ID");
            }
        });
        env.test("reuse policies", "IDs that cannot be are refused", () -> {
            for (String id : new String[] {"a/b", "a\\b", "a#b", "a?b", "x".repeat(257), "@a", "a\nb"}) {
                Cases.refused(Status.Code.INVALID_ARGUMENT, "", () -> env.client.scheduleNewOrchestrationInstance("empty", null, id));
            }
        });
    }

    private static void waiting(Env env) {
        env.test("metadata", "waiting for a start ends when the instance runs", () -> {
            String id = env.start("awaitGo", "in", "started");
            OrchestrationMetadata m = env.client.waitForInstanceStart(id, Env.LONG, true);
            Cases.check(m.isInstanceFound() && m.isRunning() && !m.isCompleted(), "it is " + m);
            Cases.same("in", m.readInputAs(String.class), "input");
            env.client.terminate(id, null);
            env.end(id);
        });
        env.test("metadata", "waiting for a start ends with its time", () -> {
            String id = env.client.scheduleNewOrchestrationInstance("empty", new NewOrchestrationInstanceOptions().setStartTime(Instant.now().plusSeconds(3600)));
            Cases.thrown(TimeoutException.class, () -> env.client.waitForInstanceStart(id, Duration.ofMillis(300)));
            env.client.terminate(id, null);
        });
        env.test("metadata", "waiting for an end ends with its time", () -> {
            String id = env.start("awaitGo", null, "unended");
            Cases.thrown(TimeoutException.class, () -> env.client.waitForInstanceCompletion(id, Duration.ofMillis(300), false));
            env.client.terminate(id, null);
        });
        env.test("metadata", "many wait for one instance", () -> {
            String id = env.start("awaitGo", null, "many");
            Set<String> seen = ConcurrentHashMap.newKeySet();
            Thread[] all = new Thread[20];
            for (int i = 0; i < all.length; i++) {
                int n = i;
                all[i] = new Thread(() -> {
                    try {
                        seen.add(n + env.end(id).readOutputAs(String.class));
                    } catch (Exception e) {
                        seen.add(e.toString());
                    }
                });
                all[i].start();
            }
            env.client.raiseEvent(id, "go", "!");
            for (Thread t : all) {
                t.join();
            }
            Cases.check(seen.size() == 20 && seen.stream().allMatch(s -> s.endsWith("!")), "they saw " + seen);
        });
    }

    private static void looking(Env env) {
        env.test("metadata", "what does not exist has none", () -> {
            OrchestrationMetadata m = env.client.getInstanceMetadata("no-such-instance", true);
            Cases.check(!m.isInstanceFound(), "it was found: " + m.getInstanceId());
            Cases.check(!env.client.waitForInstanceStart("no-such-instance", Env.LONG).isInstanceFound(), "its start was found");
            Cases.check(!env.client.waitForInstanceCompletion("no-such-instance", Env.LONG, true).isInstanceFound(), "its end was found");
        });
        env.test("metadata", "it has name, times, input and output, which come if they are asked for", () -> {
            Instant before = Instant.now().minusMillis(1);
            String id = Env.completed(env.run("chain", 4)).getInstanceId();
            OrchestrationMetadata m = env.client.getInstanceMetadata(id, true);
            Cases.same("chain", m.getName(), "name");
            Cases.same("4 14", m.getSerializedInput() + " " + m.getSerializedOutput(), "input and output");
            Cases.same("4 14", m.readInputAs(int.class) + " " + m.readOutputAs(int.class), "input and output");
            Cases.check(m.isInstanceFound() && m.isCompleted() && !m.isRunning(), "flags of " + m);
            Cases.check(!m.getCreatedAt().isBefore(before) && !m.getLastUpdatedAt().isBefore(m.getCreatedAt())
                    && m.getLastUpdatedAt().isBefore(Instant.now().plusMillis(1)), "times of " + m);
            OrchestrationMetadata bare = env.client.getInstanceMetadata(id, false);
            Cases.thrown(IllegalStateException.class, () -> bare.readOutputAs(int.class));
        });
    }

    private static void converters(Env env) {
        env.test("hello", "the client's own decides what is sent and read", () -> {
            DataConverter reversed = new DataConverter() {
                private final DataConverter json = new JacksonDataConverter();

                @Override
                public String serialize(Object value) {
                    return value == null ? null : json.serialize(new StringBuilder(value.toString()).reverse().toString());
                }

                @Override
                public <T> T deserialize(String data, Class<T> type) {
                    return data == null || data.isEmpty() ? null : type.cast(new StringBuilder(json.deserialize(data, String.class)).reverse().toString());
                }
            };
            DurableTaskClient c = new DurableTaskGrpcClientBuilder().port(env.port).dataConverter(reversed).build();
            String id = c.scheduleNewOrchestrationInstance("awaitGo");
            c.raiseEvent(id, "go", "abc");
            Cases.same("abc", c.waitForInstanceCompletion(id, Env.LONG, true).readOutputAs(String.class), "output");
            Cases.same("cba", env.end(id).readOutputAs(String.class), "output to another client");
            c.close();
        });
    }
}
