package e2e;

import com.microsoft.durabletask.DurableTaskGrpcWorker;
import com.microsoft.durabletask.DurableTaskGrpcWorkerBuilder;
import com.microsoft.durabletask.TaskActivity;
import com.microsoft.durabletask.TaskActivityFactory;
import com.microsoft.durabletask.TaskOrchestration;
import com.microsoft.durabletask.TaskOrchestrationFactory;
import io.grpc.Channel;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

/** What workers run: all workers run the same, since this SDK cannot ask for some work only. */
final class Registry {
    /** Longer timers are split by the SDK. */
    static final Duration LONGEST_TIMER = Duration.ofSeconds(1);

    private final Map<String, TaskOrchestration> orchestrations = new LinkedHashMap<>();
    private final Map<String, TaskActivity> activities = new LinkedHashMap<>();

    void orchestration(String name, TaskOrchestration body) {
        Cases.check(orchestrations.put(name, body) == null, "there are two orchestrations " + name);
    }

    void activity(String name, TaskActivity body) {
        Cases.check(activities.put(name, body) == null, "there are two activities " + name);
    }

    DurableTaskGrpcWorker worker(int port) {
        return Killed.ON ? worker(Killed.channel(port)) : builder().port(port).build();
    }

    DurableTaskGrpcWorker worker(Channel channel) {
        return builder().grpcChannel(channel).build();
    }

    /** A builder of a worker that runs everything. */
    DurableTaskGrpcWorkerBuilder builder() {
        DurableTaskGrpcWorkerBuilder b = new DurableTaskGrpcWorkerBuilder().maximumTimerInterval(LONGEST_TIMER);
        orchestrations.forEach((name, body) -> b.addOrchestration(orchestrations(name, body)));
        activities.forEach((name, body) -> b.addActivity(activities(name, body)));
        return b;
    }

    static TaskOrchestrationFactory orchestrations(String name, TaskOrchestration body) {
        return new TaskOrchestrationFactory() {
            @Override
            public String getName() {
                return name;
            }

            @Override
            public TaskOrchestration create() {
                return body;
            }
        };
    }

    static TaskActivityFactory activities(String name, TaskActivity body) {
        return new TaskActivityFactory() {
            @Override
            public String getName() {
                return name;
            }

            @Override
            public TaskActivity create() {
                return body;
            }
        };
    }
}
