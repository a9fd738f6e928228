package e2e;

import com.microsoft.durabletask.DurableTaskClient;
import com.microsoft.durabletask.NewOrchestrationInstanceOptions;
import com.microsoft.durabletask.OrchestrationMetadata;
import com.microsoft.durabletask.OrchestrationStatusQuery;
import com.microsoft.durabletask.OrchestrationStatusQueryResult;
import com.microsoft.durabletask.PurgeInstanceCriteria;
import com.microsoft.durabletask.PurgeResult;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/**
 * A client that calls again while the server is away: what asks, and starts, of which it asks whether they were done. Other
 * calls that are cut off are noted, and fail.
 */
final class Patient extends DurableTaskClient {
    private interface Call<T> {
        T make() throws TimeoutException;
    }

    private final DurableTaskClient inner;

    Patient(DurableTaskClient inner) {
        this.inner = inner;
    }

    private static void pause() {
        try {
            Thread.sleep(50);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static <T> T again(Call<T> call) throws TimeoutException {
        while (true) {
            try {
                return call.make();
            } catch (StatusRuntimeException e) {
                if (!Killed.away(e)) {
                    throw e;
                }
                pause();
            }
        }
    }

    private static <T> T ask(Supplier<T> call) {
        try {
            return again(call::get);
        } catch (TimeoutException e) {
            throw new IllegalStateException(e); // these have no time limit
        }
    }

    private <T> T cut(Call<T> call) throws TimeoutException {
        try {
            return call.make();
        } catch (StatusRuntimeException e) {
            if (Killed.away(e)) {
                Killed.cut();
                getInstanceMetadata("ready", false); // it is there again when the case begins anew
            }
            throw e;
        }
    }

    private <T> T once(Supplier<T> call) {
        try {
            return cut(call::get);
        } catch (TimeoutException e) {
            throw new IllegalStateException(e); // these have no time limit
        }
    }

    private void order(Runnable call) {
        once(() -> {
            call.run();
            return null;
        });
    }

    @Override
    public String scheduleNewOrchestrationInstance(String name, NewOrchestrationInstanceOptions options) {
        String id = options.getInstanceId() == null ? UUID.randomUUID().toString() : options.getInstanceId();
        options.setInstanceId(id);
        while (true) {
            try {
                return inner.scheduleNewOrchestrationInstance(name, options);
            } catch (StatusRuntimeException e) {
                if (!Killed.away(e)) {
                    throw e;
                }
            }
            pause();
            if (getInstanceMetadata(id, false).isInstanceFound()) {
                return id;
            }
        }
    }

    @Override
    public OrchestrationMetadata getInstanceMetadata(String id, boolean payloads) {
        return ask(() -> inner.getInstanceMetadata(id, payloads));
    }

    @Override
    public OrchestrationMetadata waitForInstanceStart(String id, Duration timeout, boolean payloads) throws TimeoutException {
        return again(() -> inner.waitForInstanceStart(id, timeout, payloads));
    }

    @Override
    public OrchestrationMetadata waitForInstanceCompletion(String id, Duration timeout, boolean payloads) throws TimeoutException {
        OrchestrationMetadata m = again(() -> inner.waitForInstanceCompletion(id, timeout, payloads));
        Cases.say(Map.of("ended", id));
        return m;
    }

    @Override
    public OrchestrationStatusQueryResult queryInstances(OrchestrationStatusQuery query) {
        return ask(() -> inner.queryInstances(query));
    }

    @Override
    public void raiseEvent(String id, String name, Object payload) {
        order(() -> inner.raiseEvent(id, name, payload));
    }

    @Override
    public void terminate(String id, Object output) {
        order(() -> inner.terminate(id, output));
    }

    @Override
    public void suspendInstance(String id, String reason) {
        order(() -> inner.suspendInstance(id, reason));
    }

    @Override
    public void resumeInstance(String id, String reason) {
        order(() -> inner.resumeInstance(id, reason));
    }

    @Override
    public void createTaskHub(boolean anew) {
        order(() -> inner.createTaskHub(anew));
    }

    @Override
    public void deleteTaskHub() {
        order(inner::deleteTaskHub);
    }

    @Override
    public String restartInstance(String id, boolean newID) {
        return once(() -> inner.restartInstance(id, newID));
    }

    @Override
    public PurgeResult purgeInstance(String id) {
        return once(() -> inner.purgeInstance(id));
    }

    @Override
    public PurgeResult purgeInstances(PurgeInstanceCriteria criteria) throws TimeoutException {
        return cut(() -> inner.purgeInstances(criteria));
    }

    @Override
    public void close() {
        inner.close();
    }
}
