package e2e;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.microsoft.durabletask.OrchestrationMetadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** The cases of a suite: they run side by side, each prints one JSON line. */
final class Cases {
    /** What a case does; it fails by throwing. */
    interface Body {
        void run() throws Exception;
    }

    interface Look {
        boolean at(OrchestrationMetadata m);
    }

    private record Case(String feature, String what, Body body) {}

    /** How many cases run at a time: most of them wait for timers. */
    private static final int AT_A_TIME = 16;

    private static final ObjectMapper JSON = new ObjectMapper();
    private final List<Case> all = new ArrayList<>();

    void add(String feature, String what, Body body) {
        if (Killed.bears(feature + ": " + what)) {
            all.add(Killed.ON ? new Case("kill", feature + ": " + what, body) : new Case(feature, what, body));
        }
    }

    /** Runs the cases whose names contain the filter, and reports whether all have passed. */
    boolean run(String filter) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(AT_A_TIME);
        List<Future<Boolean>> results = new ArrayList<>();
        for (Case c : all) {
            if ((c.feature + ": " + c.what).contains(filter)) {
                results.add(pool.submit(() -> run(c)));
            }
        }
        boolean ok = !results.isEmpty();
        for (Future<Boolean> r : results) {
            ok &= r.get();
        }
        pool.shutdown();
        return ok;
    }

    private static boolean run(Case c) {
        String error = "";
        long begin = System.nanoTime();
        try {
            Killed.attempt(c.feature + ": " + c.what, c.body);
        } catch (Throwable t) {
            StringWriter w = new StringWriter();
            t.printStackTrace(new PrintWriter(w));
            error = w.toString();
        }
        print(c.feature, c.what, error, (System.nanoTime() - begin) / 1_000_000);
        return error.isEmpty();
    }

    /** Prints the line of a case. */
    static void print(String feature, String what, String error, long ms) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("test", feature + ": " + what);
        line.put("ok", error.isEmpty());
        line.put("error", error);
        line.put("feature", feature);
        line.put("ms", ms);
        say(line);
    }

    /** Prints a line. */
    static synchronized void say(Map<String, ?> line) {
        try {
            System.out.println(JSON.writeValueAsString(line));
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    static void check(boolean ok, String message) {
        if (!ok) {
            throw new AssertionError(message);
        }
    }

    static void same(Object want, Object got, String what) {
        check(Objects.equals(want, got), what + ": want " + want + ", got " + got);
    }

    /** The body has to throw an exception of that class, which is returned. */
    static <E extends Throwable> E thrown(Class<E> type, Body body) {
        try {
            body.run();
        } catch (Throwable t) {
            check(type.isInstance(t), "want " + type.getSimpleName() + ", got " + t);
            return type.cast(t);
        }
        throw new AssertionError("want " + type.getSimpleName() + ", nothing was thrown");
    }

    /** The body has to be refused by the server with that code, and with a message that names what is wrong. */
    static void refused(Status.Code code, String part, Body body) {
        StatusRuntimeException e = thrown(StatusRuntimeException.class, body);
        same(code, e.getStatus().getCode(), "code of " + e);
        check(String.valueOf(e.getStatus().getDescription()).contains(part), e + " does not say " + part);
    }
}
