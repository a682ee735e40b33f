package headrace;

import java.io.IOException;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** All that is kept of one key of one view. */
final class KeyState {
    /** Before the first event of a key its clock is unset. */
    static final long UNSET = Long.MIN_VALUE;

    long clock = UNSET;
    long generation;
    /** Events folded in since the generation began; the one before the current has {@code clock}. */
    long events;
    SeenIds seen = new SeenIds();
    Lane lane;

    KeyState(LaneSpec spec) {
        lane = new Lane(spec);
    }

    private KeyState(KeyState from) {
        clock = from.clock;
        generation = from.generation;
        events = from.events;
        seen = from.seen.copy();
        lane = from.lane.copy();
    }

    void nextGeneration(LaneSpec spec) {
        generation++;
        events = 0;
        seen = new SeenIds();
        lane = new Lane(spec);
    }

    KeyState copy() {
        return new KeyState(this);
    }

    void write(DataOutputView out) throws IOException {
        out.writeLong(clock);
        out.writeLong(generation);
        out.writeLong(events);
        seen.write(out);
        lane.write(out);
    }

    static KeyState read(LaneSpec spec, DataInputView in) throws IOException {
        KeyState state = new KeyState(spec);
        state.clock = in.readLong();
        state.generation = in.readLong();
        state.events = in.readLong();
        state.seen = SeenIds.read(in);
        state.lane = Lane.read(spec, in);
        return state;
    }
}
