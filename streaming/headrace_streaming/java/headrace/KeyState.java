package headrace;

import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** All that is kept of one key of one view. */
final class KeyState {
    /** Before the first event of a key its clock is unset. */
    static final long UNSET = Long.MIN_VALUE;

    private static final int SEEN = 0;

    final Object key;
    long clock = UNSET;
    long generation;
    /** Events folded in since the generation began; the one before the current has {@code clock}. */
    long events;

    SeenIds seen;
    Lane lane;
    /** Whether Flink's state is behind. */
    boolean isDirty;

    /** What {@link #countBytes} said last. */
    long bytes;

    private KeyState forgotten;

    KeyState(Object key, LaneSpec spec) {
        this.key = key;
        seen = new SeenIds();
        lane = new Lane(spec);
    }

    void nextGeneration(LaneSpec spec) {
        if (forgotten == null) {
            // What stands in state of it is removed when the new one is written.
            forgotten = new KeyState(key, spec);
            forgotten.seen = seen;
            forgotten.lane = lane;
        }
        generation++;
        events = 0;
        seen = new SeenIds();
        lane = new Lane(spec);
    }

    /** Bytes of memory, about. */
    long countBytes() {
        return 200 + seen.bytes() + lane.bytes();
    }

    void store(Pieces pieces, DataOutputSerializer head) throws Exception {
        if (forgotten != null) {
            forgotten.seen.log.discard(pieces, SEEN);
            forgotten.lane.log.discard(pieces, SEEN + 1);
            forgotten = null;
        }
        head.clear();
        Words.write(clock, head);
        Words.write(generation, head);
        Words.write(events, head);
        seen.log.store(pieces, SEEN, head);
        lane.store(pieces, SEEN + 1, head);
        pieces.putHead(head);
        isDirty = false;
    }

    static KeyState load(Object key, LaneSpec spec, Pieces pieces) throws Exception {
        KeyState state = new KeyState(key, spec);
        DataInputDeserializer head = pieces.head();
        if (head == null) return state;
        state.clock = Words.read(head);
        state.generation = Words.read(head);
        state.events = Words.read(head);
        state.seen.load(pieces, SEEN, head);
        state.lane.load(pieces, SEEN + 1, head);
        return state;
    }
}
