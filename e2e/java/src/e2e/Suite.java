package e2e;

import com.microsoft.durabletask.DurableTaskClient;
import com.microsoft.durabletask.DurableTaskGrpcClientBuilder;
import java.util.List;

/**
 * The suite of the Java SDK against a server: {@code Suite PORT} prints one JSON line for each case. Everything that
 * durabletask-client 1.5.0 has in public is used, which was listed from its jar:
 *
 * <pre>
 * class                             where
 * DurableTaskGrpcWorkerBuilder      addOrchestration, addActivity, port: Registry; grpcChannel: Hubs; dataConverter: Starts;
 *                                   maximumTimerInterval: Timers (all workers)
 * DurableTaskGrpcWorker             start, close: Registry; stop, startAndBlock: Workers
 * DurableTaskGrpcClientBuilder      port: Suite; grpcChannel: Hubs; dataConverter: Starts
 * DurableTaskClient                 scheduleNewOrchestrationInstance (4): Starts, raiseEvent (2): Events,
 *                                   getInstanceMetadata, waitForInstanceStart (2), waitForInstanceCompletion: Starts,
 *                                   terminate, suspendInstance (2), resumeInstance (2), restartInstance,
 *                                   purgeInstance: Lifecycle, purgeInstances, queryInstances: Queries,
 *                                   createTaskHub, deleteTaskHub: Hubs, close: Suite
 * NewOrchestrationInstanceOptions   version, instance ID, input, start time: Starts
 * OrchestrationMetadata             all readers: Starts, Queries; custom status: Lifecycle; failure details: Failures
 * OrchestrationRuntimeStatus        all but CANCELED and CONTINUED_AS_NEW, which no instance ever rests in
 * OrchestrationStatusQuery, -Result statuses, creation, page size, token, prefix, inputs and outputs, task hubs: Queries
 * PurgeInstanceCriteria, PurgeResult statuses, creation, timeout: Queries
 * TaskOrchestrationContext          getName, getInput, getInstanceId, getCurrentInstant, getIsReplaying, newUUID,
 *                                   callActivity (6), allOf (2), anyOf (2), complete: Tasks;
 *                                   callSubOrchestrator (6): Children; createTimer (2): Timers;
 *                                   waitForExternalEvent (4), sendEvent (2): Events;
 *                                   continueAsNew (2), setCustomStatus, clearCustomStatus: Lifecycle
 * Task                              await, isDone, isCancelled, thenApply, thenAccept: Tasks, Events
 * TaskActivityContext               getName, getInput: Tasks
 * TaskOptions, RetryPolicy          attempts, first interval, coefficient, longest interval, timeout: Failures
 * RetryHandler, RetryContext        context, last failure, attempt, time: Failures
 * TaskFailedException, FailureDetails, CompositeTaskFailedException, TaskCanceledException: Failures, Events
 * DataConverter, JacksonDataConverter: Starts
 * OrchestrationRunner               loadAndRun of bytes and of text, with both kinds of functions: Runner
 * </pre>
 *
 * It has no entities, tags, histories, worker versions, work-item filters, trace contexts or restart of the
 * server's own: those came later. Its stubs have RewindInstance, which Rewinds calls.
 */
public final class Suite {
    private Suite() {}

    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(args[0]);
        Registry registry = new Registry();
        Cases cases = new Cases();
        DurableTaskClient client = Killed.ON
                ? new Patient(new DurableTaskGrpcClientBuilder().grpcChannel(Killed.eager(port)).build())
                : new DurableTaskGrpcClientBuilder().port(port).build();
        Env env = new Env(port, client, registry, cases);
        for (Group g : List.of(new Tasks(), new Failures(), new Children(), new Timers(), new Events(), new Lifecycle(),
                new Starts(), new Queries(), new Payloads(), new Rewinds())) {
            g.add(env);
        }
        if (!Killed.ON) { // these have clients and workers of their own, which end
            for (Group g : List.of(new Hubs(), new Workers(), new Runner())) {
                g.add(env);
            }
        }
        // Workers of this SDK do one thing at a time: with several the suite does not wait for itself.
        for (int i = 0; i < 3; i++) {
            registry.worker(port).start();
        }
        boolean ok = cases.run(args.length > 1 ? args[1] : "");
        client.close();
        System.exit(ok ? 0 : 1); // the threads of this SDK's workers end with the process alone
    }
}
