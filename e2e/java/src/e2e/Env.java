package e2e;

import com.microsoft.durabletask.DurableTaskClient;
import com.microsoft.durabletask.NewOrchestrationInstanceOptions;
import com.microsoft.durabletask.OrchestrationMetadata;
import com.microsoft.durabletask.OrchestrationRuntimeStatus;
import com.microsoft.durabletask.TaskActivity;
import com.microsoft.durabletask.TaskOrchestration;
import java.time.Duration;
import java.util.UUID;

/** What every case has: a server, a client, and what the workers run. */
final class Env {
    /** How long anything may take on a machine that does much else. */
    static final Duration LONG = Duration.ofSeconds(60);

    final int port;
    final DurableTaskClient client;
    final Registry registry;
    final Cases cases;

    Env(int port, DurableTaskClient client, Registry registry, Cases cases) {
        this.port = port;
        this.client = client;
        this.registry = registry;
        this.cases = cases;
    }

    void orchestration(String name, TaskOrchestration body) {
        registry.orchestration(name, body);
    }

    void activity(String name, TaskActivity body) {
        registry.activity(name, body);
    }

    void test(String feature, String what, Cases.Body body) {
        cases.add(feature, what, body);
    }

    /** Runs an orchestration to its end. */
    OrchestrationMetadata run(String name, Object input) throws Exception {
        return end(client.scheduleNewOrchestrationInstance(name, input));
    }

    /** Waits for the end of an instance. */
    OrchestrationMetadata end(String id) throws Exception {
        return client.waitForInstanceCompletion(id, LONG, true);
    }

    /** Runs an orchestration that has to complete, and returns its output. */
    <T> T output(String name, Object input, Class<T> type) throws Exception {
        return completed(run(name, input)).readOutputAs(type);
    }

    /** Starts an orchestration under a new ID that begins with the prefix. */
    String start(String name, Object input, String prefix) {
        return client.scheduleNewOrchestrationInstance(
                name, new NewOrchestrationInstanceOptions().setInput(input).setInstanceId(fresh(prefix)));
    }

    static String fresh(String prefix) {
        return prefix + "-" + UUID.randomUUID();
    }

    static OrchestrationMetadata completed(OrchestrationMetadata m) {
        Cases.same(OrchestrationRuntimeStatus.COMPLETED, m.getRuntimeStatus(),
                "status of " + m + " " + m.getFailureDetails().getErrorMessage() + " " + m.getFailureDetails().getStackTrace());
        return m;
    }

    /** Waits until an instance is as it should be, such as suspended: the SDK waits for starts and ends only. */
    OrchestrationMetadata until(String id, Cases.Look look) throws Exception {
        long end = System.nanoTime() + LONG.toNanos();
        while (true) {
            OrchestrationMetadata m = client.getInstanceMetadata(id, true);
            if (m.isInstanceFound() && look.at(m)) {
                return m;
            }
            Cases.check(System.nanoTime() < end, "still " + (m.isInstanceFound() ? m : "not there"));
            Thread.sleep(10);
        }
    }

    OrchestrationMetadata until(String id, OrchestrationRuntimeStatus status) throws Exception {
        return until(id, m -> m.getRuntimeStatus() == status);
    }
}
