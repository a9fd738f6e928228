package e2e;

import com.microsoft.durabletask.OrchestrationMetadata;
import com.microsoft.durabletask.OrchestrationRuntimeStatus;
import com.microsoft.durabletask.OrchestrationStatusQuery;
import com.microsoft.durabletask.OrchestrationStatusQueryResult;
import com.microsoft.durabletask.PurgeInstanceCriteria;
import io.grpc.Status;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.TimeoutException;

/** Queries over instances, and purging what they would find. */
final class Queries implements Group {
    private static Set<String> all(Env env, OrchestrationStatusQuery q) {
        Set<String> ids = new TreeSet<>();
        String token = null;
        do {
            OrchestrationStatusQueryResult r = env.client.queryInstances(q.setContinuationToken(token));
            for (OrchestrationMetadata m : r.getOrchestrationState()) {
                Cases.check(ids.add(m.getInstanceId()), m.getInstanceId() + " comes twice");
            }
            token = r.getContinuationToken();
        } while (token != null && !token.isEmpty());
        return ids;
    }

    private static OrchestrationStatusQuery prefixed(String prefix) {
        return new OrchestrationStatusQuery().setInstanceIdPrefix(prefix);
    }

    @Override
    public void add(Env env) {
        env.test("queries", "by prefix, status and creation, with payloads or without", () -> {
            String prefix = "query-" + UUID.randomUUID();
            Set<String> ended = new TreeSet<>();
            for (int i = 0; i < 5; i++) {
                ended.add(env.start("chain", i, prefix));
            }
            for (String id : ended) {
                Env.completed(env.end(id));
            }
            Thread.sleep(5);
            Instant between = Instant.now();
            Thread.sleep(5);
            String live = env.start("awaitGo", "in", prefix);
            env.client.waitForInstanceStart(live, Env.LONG);
            Set<String> every = new TreeSet<>(ended);
            every.add(live);
            Cases.same(every, all(env, prefixed(prefix)), "by prefix");
            Cases.same(Set.of(), all(env, prefixed(prefix + "-none")), "by a prefix that nothing has");
            Cases.same(ended, all(env, prefixed(prefix).setRuntimeStatusList(List.of(OrchestrationRuntimeStatus.COMPLETED))), "completed");
            Cases.same(Set.of(live), all(env, prefixed(prefix).setRuntimeStatusList(List.of(OrchestrationRuntimeStatus.RUNNING))), "running");
            Cases.same(every, all(env, prefixed(prefix).setRuntimeStatusList(
                    List.of(OrchestrationRuntimeStatus.RUNNING, OrchestrationRuntimeStatus.COMPLETED))), "both");
            Cases.same(Set.of(), all(env, prefixed(prefix).setRuntimeStatusList(List.of(OrchestrationRuntimeStatus.FAILED))), "failed");
            Cases.same(ended, all(env, prefixed(prefix).setCreatedTimeTo(between)), "created before");
            Cases.same(Set.of(live), all(env, prefixed(prefix).setCreatedTimeFrom(between)), "created after");
            for (OrchestrationMetadata m : env.client.queryInstances(prefixed(prefix).setFetchInputsAndOutputs(true)).getOrchestrationState()) {
                Cases.same(m.getInstanceId().equals(live) ? "\"in\"" : String.valueOf(m.readOutputAs(int.class) - 10), m.getSerializedInput(), "input");
            }
            for (OrchestrationMetadata m : env.client.queryInstances(prefixed(prefix)).getOrchestrationState()) {
                Cases.same("", m.getSerializedInput(), "input that nobody asked for");
            }
            env.client.terminate(live, null);
            env.end(live);
        });
        env.test("queries", "come in pages of the size that is asked for", () -> {
            String prefix = "page-" + UUID.randomUUID();
            Set<String> want = new TreeSet<>();
            for (int i = 0; i < 25; i++) {
                want.add(env.start("empty", null, prefix));
            }
            List<Integer> sizes = new ArrayList<>();
            OrchestrationStatusQuery q = prefixed(prefix).setMaxInstanceCount(10);
            String token = "";
            do {
                OrchestrationStatusQueryResult r = env.client.queryInstances(q.setContinuationToken(token.isEmpty() ? null : token));
                sizes.add(r.getOrchestrationState().size());
                token = r.getContinuationToken() == null ? "" : r.getContinuationToken();
            } while (!token.isEmpty());
            Cases.same(List.of(10, 10, 5), sizes, "sizes of the pages");
            Cases.same(want, all(env, prefixed(prefix).setMaxInstanceCount(7)), "all pages");
            for (String id : want) {
                env.end(id);
            }
        });
        env.test("queries", "of everything, and with names of task hubs, which change nothing", () -> {
            String id = env.run("empty", null).getInstanceId();
            Cases.check(all(env, new OrchestrationStatusQuery().setTaskHubNames(List.of("default"))).contains(id), id + " is missing");
        });
        env.test("queries", "a continuation token of something else is refused", () ->
                Cases.refused(Status.Code.INVALID_ARGUMENT, "token", () -> env.client.queryInstances(
                        new OrchestrationStatusQuery().setContinuationToken("forged"))));
        purges(env);
    }

    private static void purges(Env env) {
        env.test("purge", "by status and creation", () -> {
            Instant from = Instant.now();
            Thread.sleep(2);
            String failed = env.run("throws", null).getInstanceId();
            String stuck = env.start("awaitGo", null, "purge");
            env.client.terminate(stuck, null);
            env.end(stuck);
            Thread.sleep(2);
            Instant to = Instant.now();
            Thread.sleep(2);
            String later = env.run("throws", null).getInstanceId();
            PurgeInstanceCriteria c = new PurgeInstanceCriteria().setCreatedTimeFrom(from).setCreatedTimeTo(to).setTimeout(Env.LONG)
                    .setRuntimeStatusList(List.of(OrchestrationRuntimeStatus.FAILED));
            Cases.check(env.client.purgeInstances(c).getDeletedInstanceCount() >= 1, "nothing was deleted");
            Cases.check(!env.client.getInstanceMetadata(failed, false).isInstanceFound(), "the failed one is still there");
            Cases.check(env.client.getInstanceMetadata(stuck, false).isInstanceFound(), "the terminated one is gone");
            Cases.check(env.client.getInstanceMetadata(later, false).isInstanceFound(), "the later one is gone");
        });
        env.test("purge", "by a filter ends with its time", () ->
                Cases.thrown(TimeoutException.class, () -> env.client.purgeInstances(
                        new PurgeInstanceCriteria().setCreatedTimeFrom(Instant.EPOCH).setCreatedTimeTo(Instant.EPOCH).setTimeout(Duration.ofNanos(1)))));
        env.test("purge", "by a filter that nothing matches", () ->
                Cases.same(0, env.client.purgeInstances(new PurgeInstanceCriteria().setCreatedTimeFrom(Instant.now().plus(Duration.ofDays(1))))
                        .getDeletedInstanceCount(), "deleted"));
    }
}
