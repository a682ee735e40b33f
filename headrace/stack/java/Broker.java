package headrace;

import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Formats a data folder when it is new, then runs the Kafka broker: one JVM start instead of two. */
public final class Broker {
    private Broker() {}

    /** Arguments: the server.properties file, the data folder, the cluster id. */
    public static void main(String[] args) throws Throwable {
        if (!Files.exists(Path.of(args[1], "meta.properties"))) {
            String[] format = {"format", "--config", args[0], "--cluster-id", args[2]};
            int status = (int) call("kafka.tools.StorageTool", "execute",
                    new Class<?>[] {String[].class, PrintStream.class}, format, System.out);
            if (status != 0) {
                System.exit(status);
            }
        }
        call("kafka.Kafka", "main", new Class<?>[] {String[].class}, (Object) new String[] {args[0]});
    }

    // By reflection: this class compiles without Kafka's jars, so it is compiled once for every Kafka.
    private static Object call(String type, String method, Class<?>[] signature, Object... arguments) throws Throwable {
        try {
            return Class.forName(type).getMethod(method, signature).invoke(null, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }
}
