package headrace;

/**
 * A sliding window as two stacks: [from, middle) has an aggregate of every suffix, [middle, log.next) a running one.
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

    void advance(Log log, long clock) {
        if (spec.lengthMs == 0) return;
        long bound = clock - spec.lengthMs;
        long to = from;
        while (to < log.next && log.clock(to) <= bound) to++;
        drop(log, to);
    }

    void added(Log log) {
        for (Aggregate aggregate : aggregates) aggregate.add(log, log.next - 1);
        if (spec.lengthMs == 0 && log.next - from > spec.rows) drop(log, log.next - spec.rows);
    }

    private void drop(Log log, long to) {
        if (to == from) return;
        from = to;
        if (to > middle) turn(log);
    }

    private void turn(Log log) {
        middle = log.next;
        for (Aggregate aggregate : aggregates) aggregate.turn(log, from, middle);
    }

    long bytes() {
        long bytes = 64;
        for (Aggregate aggregate : aggregates) bytes += aggregate.bytes();
        return bytes;
    }

    /** The aggregates are made again from the log, in the order they were made, hence with the same bits. */
    void restore(Log log, long newFrom, long newMiddle) {
        from = newFrom;
        middle = newMiddle;
        for (Aggregate aggregate : aggregates) {
            aggregate.turn(log, from, middle);
            for (long p = middle; p < log.next; p++) aggregate.add(log, p);
        }
    }
}
