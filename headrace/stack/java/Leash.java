package headrace;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;

/** Runs another main class and ends this JVM when its parent dies, however it dies: the parent holds our standard input. */
public final class Leash {
    /** Exit status of a process that a SIGTERM ended, as a shell reports it. */
    private static final int TERMINATED = 143;

    private Leash() {}

    public static void main(String[] args) throws Throwable {
        Thread leash = new Thread(Leash::haltAtEndOfInput, "leash");
        leash.setDaemon(true);
        leash.start();
        Method main = Class.forName(args[0]).getMethod("main", String[].class);
        try {
            main.invoke(null, (Object) Arrays.copyOfRange(args, 1, args.length));
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    private static void haltAtEndOfInput() {
        byte[] ignored = new byte[64];
        try {
            while (System.in.read(ignored) >= 0) {
                // Only the end of the input means something.
            }
        } catch (java.io.IOException e) {
            // A broken pipe is the end of the input, too.
        }
        // halt, not exit: shutdown hooks may wait for a parent that is gone.
        Runtime.getRuntime().halt(TERMINATED);
    }
}
