package e2e;

import com.microsoft.durabletask.DurableTaskClient;
import com.microsoft.durabletask.DurableTaskGrpcClientBuilder;
import com.microsoft.durabletask.OrchestrationRuntimeStatus;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import java.time.Duration;
import java.util.concurrent.TimeoutException;

/** Task hubs, which this SDK names by metadata of a channel of one's own. */
final class Hubs implements Group {
    /** A channel whose calls are for one task hub. */
    static final class Hub implements AutoCloseable {
        final ManagedChannel channel;
        final Channel named;
        final DurableTaskClient client;

        Hub(int port, String name) {
            channel = ManagedChannelBuilder.forAddress("localhost", port).usePlaintext().build();
            Metadata md = new Metadata();
            md.put(Metadata.Key.of("taskhub", Metadata.ASCII_STRING_MARSHALLER), name);
            named = ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(md));
            client = new DurableTaskGrpcClientBuilder().grpcChannel(named).build();
        }

        @Override
        public void close() {
            channel.shutdownNow();
        }
    }

    @Override
    public void add(Env env) {
        env.test("task hubs", "have instances of their own, and workers of their own", () -> {
            try (Hub a = new Hub(env.port, "hub-a"); Hub b = new Hub(env.port, "hub-b")) {
                a.client.createTaskHub(true);
                b.client.createTaskHub(true);
                String id = Env.fresh("same");
                a.client.scheduleNewOrchestrationInstance("chain", 1, id);
                b.client.scheduleNewOrchestrationInstance("chain", 2, id);
                env.client.scheduleNewOrchestrationInstance("chain", 3, id);
                Cases.same(13, Env.completed(env.end(id)).readOutputAs(Integer.class), "output");
                // Nobody works in the others.
                Cases.thrown(TimeoutException.class, () -> a.client.waitForInstanceStart(id, Duration.ofMillis(300)));
                Cases.same(OrchestrationRuntimeStatus.PENDING, a.client.getInstanceMetadata(id, false).getRuntimeStatus(), "status");
                env.registry.worker(a.named).start();
                Cases.same(11, Env.completed(a.client.waitForInstanceCompletion(id, Env.LONG, true)).readOutputAs(Integer.class), "output");
                Cases.same(OrchestrationRuntimeStatus.PENDING, b.client.getInstanceMetadata(id, false).getRuntimeStatus(), "status");
                // It can be ended without any worker.
                b.client.terminate(id, "nobody works");
                Cases.same(OrchestrationRuntimeStatus.TERMINATED, b.client.waitForInstanceCompletion(id, Env.LONG, true).getRuntimeStatus(), "status");
            }
        });
        env.test("task hubs", "are created, created anew, and deleted", () -> {
            try (Hub h = new Hub(env.port, "hub-c")) {
                h.client.createTaskHub(false);
                String id = h.client.scheduleNewOrchestrationInstance("empty");
                Cases.check(h.client.getInstanceMetadata(id, false).isInstanceFound(), "it is not there");
                h.client.createTaskHub(true);
                Cases.check(!h.client.getInstanceMetadata(id, false).isInstanceFound(), "it is still there");
                h.client.scheduleNewOrchestrationInstance("empty", null, id);
                h.client.deleteTaskHub();
                h.client.createTaskHub(false);
                Cases.check(!h.client.getInstanceMetadata(id, false).isInstanceFound(), "it is still there");
                h.client.deleteTaskHub();
            }
        });
    }
}
