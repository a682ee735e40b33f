package headrace;

import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.runtime.state.internal.InternalValueState;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;

/** Folds events of one key, one a given number of milliseconds, and prints the bytes of its state after each tenth of them. */
public final class StateBytes {
    public static void main(String[] arguments) throws Exception {
        KernelSpec spec = KernelSpec.parse(Files.readString(Path.of(arguments[0])));
        int events = Integer.parseInt(arguments[1]);
        long everyMs = Long.parseLong(arguments[2]);
        Kernel kernel = new Kernel(spec);
        Map<Object, byte[]> stored = new HashMap<>();
        Object[] namespace = new Object[1];
        InternalValueState<?, Long, byte[]> state = (InternalValueState<?, Long, byte[]>) Proxy.newProxyInstance(
                StateBytes.class.getClassLoader(), new Class<?>[] {InternalValueState.class}, (proxy, method, given) -> {
                    switch (method.getName()) {
                        case "setCurrentNamespace":
                            namespace[0] = given[0];
                            return null;
                        case "update":
                            stored.put(namespace[0], (byte[]) given[0]);
                            return null;
                        case "clear":
                            stored.remove(namespace[0]);
                            return null;
                        case "value":
                            return stored.get(namespace[0]);
                        default:
                            throw new UnsupportedOperationException(method.getName());
                    }
                });
        Pieces pieces = new Pieces(state);
        DataOutputSerializer head = new DataOutputSerializer(1024);
        KeyState key = new KeyState("k", spec.lanes);
        java.util.Random random = new java.util.Random(1);
        for (int e = 1; e <= events; e++) {
            GenericRowData row = new GenericRowData(8 + spec.types.length);
            row.setField(0, StringData.fromString("k"));
            row.setField(3, StringData.fromString(new UUID(random.nextLong(), random.nextLong()).toString()));
            row.setField(4, 0);
            row.setField(5, (long) e);
            row.setField(6, 1_769_860_800_000L + e * everyMs);
            row.setField(7, 1_769_860_800_000L + e * everyMs);
            for (int i = 0; i < spec.types.length; i++) row.setField(8 + spec.positions[i], value(spec.types[i], random));
            kernel.fold(key, row);
            if (e % (events / 10) == 0) {
                key.store(pieces, head);
                long bytes = 0;
                for (byte[] piece : stored.values()) bytes += piece.length;
                System.out.println(bytes);
            }
        }
    }

    private static Object value(InputType type, java.util.Random random) {
        switch (type) {
            case STRING:
                return StringData.fromString("twelve" + (100_000 + random.nextInt(900_000)));
            case DOUBLE:
                return random.nextDouble();
            case BOOL:
                return random.nextBoolean();
            case INT:
                return random.nextInt(100_000);
            default:
                return (long) random.nextInt(100_000);
        }
    }
}
