package headrace;

import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.runtime.state.internal.InternalValueState;

/** What stands in Flink's state of the current key: its head, and the full pieces of its logs, by number. */
final class Pieces {
    private static final Long HEAD = 0L;
    private static final int LOG_SHIFT = 48;

    private final InternalValueState<?, Long, byte[]> state;
    private final DataOutputSerializer buffer = new DataOutputSerializer(1024);

    Pieces(InternalValueState<?, Long, byte[]> state) {
        this.state = state;
    }

    /** An empty buffer; it may be asked for again after {@link #put}. */
    DataOutputSerializer output() {
        buffer.clear();
        return buffer;
    }

    private static long name(int log, long piece) {
        return (long) (log + 1) << LOG_SHIFT | piece;
    }

    void put(int log, long piece, DataOutputSerializer content) throws Exception {
        state.setCurrentNamespace(name(log, piece));
        state.update(content.getCopyOfBuffer());
    }

    DataInputDeserializer get(int log, long piece) throws Exception {
        state.setCurrentNamespace(name(log, piece));
        return new DataInputDeserializer(state.value());
    }

    void remove(int log, long piece) {
        state.setCurrentNamespace(name(log, piece));
        state.clear();
    }

    void putHead(DataOutputSerializer content) throws Exception {
        state.setCurrentNamespace(HEAD);
        state.update(content.getCopyOfBuffer());
    }

    /** The head of the key, or null when there is none. */
    DataInputDeserializer head() throws Exception {
        state.setCurrentNamespace(HEAD);
        byte[] content = state.value();
        return content == null ? null : new DataInputDeserializer(content);
    }
}
