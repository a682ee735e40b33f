package headrace;

import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** What is kept of the events of one key that count for some features. */
interface Lane {
    /** Windows of time let go of what is too old at a clock; called before the event is added. */
    void advance(long clock);

    /** Adds the event at hand if it belongs here. */
    void add(Current current);

    /** Bytes of memory, about. */
    long bytes();

    /** Writes what state does not have yet, under a number of its own. */
    void store(Pieces pieces, int number, DataOutputSerializer head) throws Exception;

    /** Reads what {@link #store} wrote; nothing is kept yet. */
    void load(Pieces pieces, int number, DataInputDeserializer head) throws Exception;

    /** Removes everything from state. */
    void discard(Pieces pieces, int number) throws Exception;

    static Lane of(LaneSpec spec) {
        return spec.resolutionMs > 0 ? new PaneLane(spec) : new EventLane(spec);
    }
}
