package e2e;

import com.google.protobuf.Empty;
import com.google.protobuf.StringValue;
import com.microsoft.durabletask.OrchestrationRunner;
import com.microsoft.durabletask.OrchestratorFunction;
import com.microsoft.durabletask.TaskOrchestration;
import com.microsoft.durabletask.implementation.protobuf.OrchestratorService.ActivityRequest;
import com.microsoft.durabletask.implementation.protobuf.OrchestratorService.ActivityResponse;
import com.microsoft.durabletask.implementation.protobuf.OrchestratorService.GetWorkItemsRequest;
import com.microsoft.durabletask.implementation.protobuf.OrchestratorService.OrchestratorRequest;
import com.microsoft.durabletask.implementation.protobuf.OrchestratorService.OrchestratorResponse;
import com.microsoft.durabletask.implementation.protobuf.OrchestratorService.WorkItem;
import com.microsoft.durabletask.implementation.protobuf.TaskHubSidecarServiceGrpc;
import com.microsoft.durabletask.implementation.protobuf.TaskHubSidecarServiceGrpc.TaskHubSidecarServiceBlockingStub;
import java.util.Base64;
import java.util.Iterator;

/** The parts for hosts: OrchestrationRunner, with a worker made of the SDK's own stubs, and what only stubs can call. */
final class Runner implements Group {
    private static OrchestratorResponse step(OrchestratorRequest q, int form) throws Exception {
        byte[] bytes = q.toByteArray();
        OrchestratorFunction<Integer> function = ctx -> ctx.callActivity("triple", ctx.getInput(int.class), int.class).await();
        TaskOrchestration orchestration = ctx -> ctx.complete(function.apply(ctx));
        switch (form % 4) {
            case 0:
                return OrchestratorResponse.parseFrom(OrchestrationRunner.loadAndRun(bytes, function));
            case 1:
                return OrchestratorResponse.parseFrom(OrchestrationRunner.loadAndRun(bytes, orchestration));
            case 2:
                return decode(OrchestrationRunner.loadAndRun(Base64.getEncoder().encodeToString(bytes), function));
            default:
                return decode(OrchestrationRunner.loadAndRun(Base64.getEncoder().encodeToString(bytes), orchestration));
        }
    }

    private static OrchestratorResponse decode(String text) throws Exception {
        return OrchestratorResponse.parseFrom(Base64.getDecoder().decode(text));
    }

    /** Works until the channel is closed. */
    private static void work(TaskHubSidecarServiceBlockingStub stub) {
        Iterator<WorkItem> items = stub.getWorkItems(GetWorkItemsRequest.getDefaultInstance());
        try {
            for (int form = 0; items.hasNext(); ) {
                WorkItem item = items.next();
                if (item.hasOrchestratorRequest()) {
                    OrchestratorRequest q = item.getOrchestratorRequest();
                    stub.completeOrchestratorTask(step(q, form++).toBuilder().setInstanceId(q.getInstanceId()).build());
                } else if (item.hasActivityRequest()) {
                    ActivityRequest q = item.getActivityRequest();
                    int n = 3 * Integer.parseInt(q.getInput().getValue());
                    stub.completeActivityTask(ActivityResponse.newBuilder().setInstanceId(q.getOrchestrationInstance().getInstanceId())
                            .setTaskId(q.getTaskId()).setResult(StringValue.of(String.valueOf(n))).build());
                }
            }
        } catch (Exception e) {
            System.err.println("the runner's worker has ended: " + e);
        }
    }

    @Override
    public void add(Env env) {
        env.test("workers", "OrchestrationRunner runs the steps that a host is given", () -> {
            try (Hubs.Hub h = new Hubs.Hub(env.port, "runner")) {
                h.client.createTaskHub(true);
                TaskHubSidecarServiceBlockingStub stub = TaskHubSidecarServiceGrpc.newBlockingStub(h.named);
                Thread t = new Thread(() -> work(stub));
                t.setDaemon(true);
                t.start();
                for (int i = 1; i <= 4; i++) {
                    String id = h.client.scheduleNewOrchestrationInstance("triple", i);
                    Cases.same(3 * i, Env.completed(h.client.waitForInstanceCompletion(id, Env.LONG, true)).readOutputAs(Integer.class), "output");
                }
            }
        });
        env.test("hello", "the first call of workers, which its stubs alone can make", () -> {
            try (Hubs.Hub h = new Hubs.Hub(env.port, "default")) {
                TaskHubSidecarServiceGrpc.newBlockingStub(h.named).hello(Empty.getDefaultInstance());
            }
        });
    }
}
