package e2e;

import com.microsoft.durabletask.DurableTaskClient;
import com.microsoft.durabletask.DurableTaskGrpcClientBuilder;
import com.microsoft.durabletask.OrchestrationMetadata;
import com.microsoft.durabletask.OrchestrationRuntimeStatus;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * HTTP calls, by the name that SDKs have for the activity, which the server runs: {@code Calls PORT TARGET}. What is called, at the
 * address TARGET, kills the server on the way. In this version the SDK has no words of its own for such a call.
 */
public final class Calls {
    private final DurableTaskClient client;
    private final String target;
    private final Cases cases = new Cases();

    private Calls(int port, String target) {
        this.client = new DurableTaskGrpcClientBuilder().port(port).build();
        this.target = target;
    }

    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(args[0]);
        Registry registry = new Registry();
        registry.orchestration("fetch", ctx -> ctx.complete(ctx.callActivity("BuiltIn::HttpActivity", ctx.getInput(Map.class), Map.class).await()));
        registry.worker(port).start();
        Calls c = new Calls(port, args[1]);
        c.add();
        System.exit(c.cases.run("") ? 0 : 1);
    }

    private void test(String what, Cases.Body body) {
        cases.add("HTTP calls", what, body);
    }

    private static Map<String, Object> with(String name, Object value) {
        return Map.of(name, value);
    }

    private OrchestrationMetadata fetch(String method, String uri, Map<String, Object> more) throws Exception {
        Map<String, Object> request = new LinkedHashMap<>(more);
        request.put("method", method);
        request.put("uri", uri.startsWith("/") ? target + uri : uri);
        String id = Env.fresh("call"); // known before, so that a start whose answer is lost is not made again
        Kill.start(client, "fetch", request, id);
        return Kill.insist(() -> client.waitForInstanceCompletion(id, Env.LONG, true));
    }

    private Map<?, ?> answer(String method, String uri, Map<String, Object> more) throws Exception {
        return Env.completed(fetch(method, uri, more)).readOutputAs(Map.class);
    }

    private void refused(String text, String uri, Map<String, Object> more) throws Exception {
        OrchestrationMetadata m = fetch("GET", uri, more);
        Cases.same(OrchestrationRuntimeStatus.FAILED, m.getRuntimeStatus(), "status");
        String message = m.getFailureDetails().getErrorMessage();
        Cases.check(message.contains(text), message + " does not say " + text);
    }

    private void add() {
        test("when the server is killed one without an answer is made again, and polling goes on", () -> {
            for (String path : new String[] {"/lost", "/polled"}) {
                Map<?, ?> r = answer("POST", path, with("content", "x"));
                Cases.same(200, r.get("statusCode"), "status");
                Cases.same("done " + path, r.get("content"), "content");
            }
        });
        test("headers, body and status come back as they are", () -> {
            Map<?, ?> r = answer("POST", "/echo", Map.of("content", "body \u00e4\n", "headers", with("X-Sent", "here")));
            Cases.same(418, r.get("statusCode"), "status");
            Cases.same("body \u00e4\n", r.get("content"), "content");
            Cases.same("here", ((Map<?, ?>) r.get("headers")).get("X-Got"), "header");
        });
        test("an answer 202 is not polled if the caller says so", () ->
                Cases.same(202, answer("GET", "/accepted", with("asynchronousPatternEnabled", false)).get("statusCode"), "status"));
        test("a redirect to another host is the answer", () ->
                Cases.same(302, answer("GET", "/elsewhere", Map.of()).get("statusCode"), "status"));
        test("what is refused says what to set", () -> {
            refused("calls.hosts", "https://example.com", Map.of());
            refused("calls.exempt", "http://127.0.0.9:" + target.substring(target.lastIndexOf(':') + 1) + "/", Map.of());
            refused("calls.response", "/large", Map.of());
            refused("put the credentials into a header", "/echo", with("tokenSource", with("kind", "AzureManagedIdentity")));
        });
    }
}
