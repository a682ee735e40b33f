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
    SeenIds seen;
    Lane[] lanes;
    /** Whether Flink's state is behind. */
    boolean isDirty;

    /** What {@link #countBytes} said last. */
    long bytes;
    /** Events since then. */
    int uncounted;

    /** When it was asked for, in uses of any key. */
    long lastUse;

    private KeyState forgotten;

    KeyState(Object key, LaneSpec[] specs) {
        this.key = key;
        seen = new SeenIds();
        lanes = empty(specs);
    }

    private static Lane[] empty(LaneSpec[] specs) {
        Lane[] lanes = new Lane[specs.length];
        for (int i = 0; i < lanes.length; i++) lanes[i] = Lane.of(specs[i]);
        return lanes;
    }

    void nextGeneration(LaneSpec[] specs) {
        if (forgotten == null) {
            // What stands in state of it is removed when the new one is written.
            forgotten = new KeyState(key, specs);
            forgotten.seen = seen;
            forgotten.lanes = lanes;
        }
        generation++;
        seen = new SeenIds();
        lanes = empty(specs);
    }

    /** Bytes of memory, about. */
    long countBytes() {
        long bytes = 200 + seen.bytes();
        for (Lane lane : lanes) bytes += lane.bytes();
        return bytes;
    }

    void store(Pieces pieces, DataOutputSerializer head) throws Exception {
        if (forgotten != null) {
            forgotten.seen.log.discard(pieces, SEEN);
            for (int i = 0; i < lanes.length; i++) forgotten.lanes[i].discard(pieces, SEEN + 1 + i);
            forgotten = null;
        }
        head.clear();
        Words.write(clock, head);
        Words.write(generation, head);
        seen.log.store(pieces, SEEN, head);
        for (int i = 0; i < lanes.length; i++) lanes[i].store(pieces, SEEN + 1 + i, head);
        pieces.putHead(head);
        isDirty = false;
    }

    static KeyState load(Object key, LaneSpec[] specs, Pieces pieces) throws Exception {
        KeyState state = new KeyState(key, specs);
        DataInputDeserializer head = pieces.head();
        if (head == null) return state;
        state.clock = Words.read(head);
        state.generation = Words.read(head);
        state.seen.load(pieces, SEEN, head);
        for (int i = 0; i < state.lanes.length; i++) state.lanes[i].load(pieces, SEEN + 1 + i, head);
        return state;
    }
}
