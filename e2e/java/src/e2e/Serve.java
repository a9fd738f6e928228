package e2e;

/** A worker that serves until it is killed: {@code Serve PORT}. It prints a line for each activity that it runs. */
public final class Serve {
    private Serve() {}

    public static void main(String[] args) {
        Registry registry = new Registry();
        registry.orchestration("serve", ctx -> ctx.complete(ctx.callActivity("say", ctx.getInput(String.class), String.class).await()));
        registry.activity("say", ctx -> {
            System.out.println(ctx.getInput(String.class));
            return ctx.getInput(String.class);
        });
        registry.worker(Integer.parseInt(args[0])).startAndBlock();
    }
}
