package headrace;

/**
 * A sliding window as two stacks: [from, middle) has an aggregate of every suffix, [middle, log.next) a running one.
 *
 * <p>Nothing is ever subtracted, so no value leaves a residue; each event is aggregated at most twice, so the cost is
 * amortised constant. Parts that count values take single ones out again, exactly.
 */
final class Window {
    private final WindowSpec spec;
    private final Part[] parts;
    long from;
    long middle;
    /** Clock of the oldest row of the window, so that most events need not look at it; anything below where it is not known. */
    private long oldest = Long.MIN_VALUE;

    Window(WindowSpec spec) {
        this.spec = spec;
        parts = new Part[spec.parts.length];
        for (int i = 0; i < parts.length; i++) parts[i] = spec.parts[i].create();
    }

    Part part(int index) {
        return parts[index];
    }

    /** The figures of an aggregate as the window is now. */
    Whole whole(int index) {
        return ((Aggregate) parts[index]).whole(from, middle);
    }

    Double decayedMean(int index, long clock) {
        return ((Aggregate) parts[index]).decayedMean(from, middle, clock);
    }

    void advance(Log log, long clock) {
        if (spec.lengthMs == 0) return;
        long bound = clock - spec.lengthMs;
        if (bound < oldest) return;
        long to = from;
        while (to < log.next && log.clock(to) <= bound) to++;
        oldest = to < log.next ? log.clock(to) : Long.MIN_VALUE;
        drop(log, to);
    }

    void added(Log log) {
        for (Part part : parts) part.added(log, log.next - 1);
        if (spec.lengthMs == 0 && log.next - from > spec.rows) drop(log, log.next - spec.rows);
    }

    private void drop(Log log, long to) {
        if (to == from) return;
        for (Part part : parts) for (long p = from; p < to; p++) part.removed(log, p);
        from = to;
        if (to <= middle) return;
        middle = log.next;
        for (Part part : parts) part.turned(log, from, middle);
    }

    long bytes() {
        long bytes = 64;
        for (Part part : parts) bytes += part.bytes();
        return bytes;
    }

    /** The parts are made again from the log, the aggregates in the order they were made. */
    void restore(Log log, long newFrom, long newMiddle) {
        from = newFrom;
        middle = newMiddle;
        for (Part part : parts) part.restore(log, from, middle);
    }
}
