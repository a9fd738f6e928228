import com.microsoft.durabletask.*;
import java.time.Duration;
import java.util.List;

/** The samples of the SDK's own documentation, which the test puts in as they stand there, in a program with default settings. */
public class Javadoc {
    interface Body {
        void run(TaskOrchestrationContext ctx);
    }

    static TaskOrchestrationFactory orchestration(String name, Body body) {
        return new TaskOrchestrationFactory() {
            public String getName() {
                return name;
            }

            public TaskOrchestration create() {
                return body::run;
            }
        };
    }

    static TaskActivityFactory activity(String name, TaskActivity body) {
        return new TaskActivityFactory() {
            public String getName() {
                return name;
            }

            public TaskActivity create() {
                return body;
            }
        };
    }

    static void allOf(TaskOrchestrationContext ctx) {
        // SAMPLE ctx.allOf(t1, t2, t3).await();
        ctx.complete(orderedResults);
    }

    static void anyOf(TaskOrchestrationContext ctx) {
        // SAMPLE ctx.waitForExternalEvent("Event3");
        ctx.complete(winner == event2);
    }

    static void timeout(TaskOrchestrationContext ctx) {
        // SAMPLE ctx.callActivity("SlowActivity");
        ctx.complete(winner == activityTask);
    }

    static void print(String name, String want, OrchestrationMetadata m) {
        boolean ok = want.equals(m.getSerializedOutput());
        System.out.println("{\"test\":\"samples: " + name + ", from the SDK's Javadoc\",\"ok\":" + ok + ",\"error\":\"" + (ok ? "" : "see the output above") + "\"}");
        if (!ok) {
            System.out.println(m + " " + m.getFailureDetails().getErrorMessage());
        }
    }

    public static void main(String[] args) throws Exception {
        DurableTaskGrpcWorker worker = new DurableTaskGrpcWorkerBuilder()
                .addOrchestration(orchestration("allOf", Javadoc::allOf))
                .addOrchestration(orchestration("anyOf", Javadoc::anyOf))
                .addOrchestration(orchestration("timeout", Javadoc::timeout))
                .addActivity(activity("MyActivity", ctx -> "mine"))
                .addActivity(activity("SlowActivity", ctx -> null))
                .build();
        worker.start();
        DurableTaskClient client = new DurableTaskGrpcClientBuilder().build();
        Duration limit = Duration.ofSeconds(60);
        String all = client.scheduleNewOrchestrationInstance("allOf");
        String any = client.scheduleNewOrchestrationInstance("anyOf");
        String timeout = client.scheduleNewOrchestrationInstance("timeout");
        client.raiseEvent(any, "Event2");
        print("allOf", "[\"mine\",\"mine\",\"mine\"]", client.waitForInstanceCompletion(all, limit, true));
        print("anyOf", "true", client.waitForInstanceCompletion(any, limit, true));
        print("a time limit", "true", client.waitForInstanceCompletion(timeout, limit, true));
        System.exit(0);
    }
}
