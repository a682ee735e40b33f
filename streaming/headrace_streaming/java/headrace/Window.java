package headrace;

import java.io.IOException;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * A sliding window as two stacks: [from, middle) has an aggregate of every suffix, [middle, lane.next) a running one.
 *
 * <p>Nothing is ever subtracted, so no value leaves a residue; each event is aggregated at most twice, so the cost is
 * amortised constant. The window is exact at each event: the suffix at {@code from} merged with the running part.
 */
final class Window {
    final WindowSpec spec;
    final Aggregate[] aggregates;
    long from;
    long middle;

    Window(WindowSpec spec, LaneSpec lane) {
        this.spec = spec;
        aggregates = new Aggregate[spec.columns.length];
        for (int i = 0; i < aggregates.length; i++) {
            aggregates[i] = new Aggregate(spec.keeps[i], spec.columns[i], lane.columns[spec.columns[i]]);
        }
    }

    private Window(Window from) {
        spec = from.spec;
        aggregates = new Aggregate[from.aggregates.length];
        for (int i = 0; i < aggregates.length; i++) aggregates[i] = from.aggregates[i].copy();
        this.from = from.from;
        middle = from.middle;
    }

    Window copy() {
        return new Window(this);
    }

    void advance(Lane lane, long clock) {
        if (spec.lengthMs == 0) return;
        long bound = clock - spec.lengthMs;
        long to = from;
        while (to < lane.next && lane.clock(to) <= bound) to++;
        drop(lane, to);
    }

    void added(Lane lane) {
        for (Aggregate aggregate : aggregates) aggregate.add(lane, lane.next - 1);
        if (spec.lengthMs == 0 && lane.next - from > spec.rows) drop(lane, lane.next - spec.rows);
    }

    private void drop(Lane lane, long to) {
        if (to == from) return;
        from = to;
        if (to > middle) turn(lane);
    }

    private void turn(Lane lane) {
        middle = lane.next;
        for (Aggregate aggregate : aggregates) aggregate.turn(lane, from, middle);
    }

    void write(DataOutputView out) throws IOException {
        out.writeLong(from);
        out.writeLong(middle);
    }

    /** The aggregates are made again from the lane, in the order they were made, hence with the same bits. */
    void read(Lane lane, DataInputView in) throws IOException {
        from = in.readLong();
        middle = in.readLong();
        for (Aggregate aggregate : aggregates) {
            aggregate.turn(lane, from, middle);
            for (long p = middle; p < lane.next; p++) aggregate.add(lane, p);
        }
    }
}
