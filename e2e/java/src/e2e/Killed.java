package e2e;

import com.microsoft.durabletask.implementation.protobuf.OrchestratorService.ActivityRequest;
import com.microsoft.durabletask.implementation.protobuf.OrchestratorService.WorkItem;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;

/**
 * The cases of the suite while the server is killed and started again at random. Who kills it reads the lines that are
 * printed, of which four kinds are not of cases:
 *
 * <pre>
 * {"stream":3}              a worker has opened its stream of that number
 * {"begin":"timers: ..."}   a case begins
 * {"given":"key","by":3,"of":"1","since":4,"at":5}
 *                           a worker of that name was given an activity, by its stream of that number, and when that was
 *                           asked for
 * {"ended":"id"}            a client has seen the end of an instance
 * </pre>
 *
 * A case of which a call was cut off, that is neither a question nor a start, is run anew: nobody can know whether an event
 * whose answer did not come was taken. Whatever else goes wrong is the case's failure, as ever.
 */
final class Killed {
    static final boolean ON = "1".equals(System.getenv("NETHERITE_KILLED"));

    /** How often a case may begin. */
    static final int ATTEMPTS = ON ? 8 : 1;

    /** Cases that a kill changes by right. */
    private static final List<Pattern> UNREPEATABLE = List.of(
            // They count runs of what may run again: this SDK does not tell an activity or a child which attempt it is.
            Pattern.compile("^retries: (an activity is tried again until|a policy ends|a sub-orchestration|activities that run|a handler (decides|that declines))"),
            Pattern.compile("^determinism: the current time|^failure details: code that differs"),
            // Something else has to happen within seconds, which the workers may be away for.
            Pattern.compile("^external events: (an event that is sent in the middle|an event in time|waiting again and again)"),
            Pattern.compile("^timers: (a timer fires after its time|a long timer is split)"),
            Pattern.compile("^reuse policies: an ID of a live"), // whether a start under a used ID was taken cannot be asked
            Pattern.compile("^retries: the pause grows"), // it has an upper limit of time
            Pattern.compile("^hello: the client's own decides")); // it has a client of its own

    private static final AtomicInteger STREAMS = new AtomicInteger();
    private static final AtomicInteger WORKERS = new AtomicInteger();
    private static final ThreadLocal<Boolean> CUT = ThreadLocal.withInitial(() -> false);

    private Killed() {}

    static boolean bears(String name) {
        return !ON || UNREPEATABLE.stream().noneMatch(p -> p.matcher(name).find());
    }

    /** Whether an exception says that the server was not there. */
    static boolean away(StatusRuntimeException e) {
        Status s = e.getStatus();
        return s.getCode() == Status.Code.UNAVAILABLE || s.getCode() == Status.Code.CANCELLED
                || s.getCode() == Status.Code.UNKNOWN && "channel closed".equals(s.getDescription()); // cut while connecting
    }

    /** Notes that a call of this thread's case was cut off. */
    static void cut() {
        CUT.set(true);
    }

    /** Runs a case, anew while calls of it were cut off. */
    static void attempt(String name, Cases.Body body) throws Exception {
        for (int n = 1; ; n++) {
            CUT.set(false);
            if (ON) {
                Cases.say(Map.of("begin", name));
            }
            try {
                body.run();
                return;
            } catch (Exception | AssertionError e) {
                if (!CUT.get() || n == ATTEMPTS) {
                    throw e;
                }
            }
        }
    }

    /** A channel for a worker, that tells what goes by. */
    static Channel channel(int port) {
        return ClientInterceptors.intercept(eager(port), new Teller());
    }

    /**
     * A channel that comes back soon after the server. By itself one waits longer after each failure, two minutes in the end,
     * and a server that lives as shortly as here may be gone again each time.
     */
    static Channel eager(int port) {
        ManagedChannel c = ManagedChannelBuilder.forAddress("localhost", port).usePlaintext().build();
        Thread resetter = new Thread(() -> {
            while (!c.isShutdown()) {
                c.resetConnectBackoff();
                try {
                    Thread.sleep(500);
                } catch (InterruptedException e) {
                    return;
                }
            }
        });
        resetter.setDaemon(true);
        resetter.start();
        return c;
    }

    /** Notes which activities a worker is given. It looks, and changes nothing. */
    private static final class Teller implements ClientInterceptor {
        private final String of = String.valueOf(WORKERS.incrementAndGet());

        @Override
        public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
            int stream = "GetWorkItems".equals(method.getBareMethodName()) ? STREAMS.incrementAndGet() : 0;
            long since = System.currentTimeMillis();
            return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
                @Override
                public void start(Listener<A> listener, Metadata headers) {
                    super.start(new SimpleForwardingClientCallListener<>(listener) {
                        @Override
                        public void onHeaders(Metadata headers) {
                            if (stream > 0) {
                                Cases.say(Map.of("stream", stream));
                            }
                            super.onHeaders(headers);
                        }

                        @Override
                        public void onMessage(A message) {
                            if (message instanceof WorkItem w && w.hasActivityRequest()) {
                                given(w, stream, since);
                            }
                            super.onMessage(message);
                        }
                    }, headers);
                }
            };
        }

        private void given(WorkItem w, int stream, long since) {
            ActivityRequest a = w.getActivityRequest();
            var o = a.getOrchestrationInstance();
            String key = o.getInstanceId() + " " + o.getExecutionId().getValue() + " " + a.getTaskId();
            Cases.say(Map.of("given", key, "by", stream, "of", of, "since", since, "at", System.currentTimeMillis()));
        }
    }
}
