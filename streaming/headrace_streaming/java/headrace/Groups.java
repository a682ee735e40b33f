package headrace;

import java.util.HashMap;
import java.util.Map;

/** Sums of a column in a window, by the value of another column. */
final class Groups implements Part {
    private final int column;
    private final int by;
    private final boolean isDouble;
    private final Map<Long, SumQueue> sums = new HashMap<>();

    Groups(int column, Kind kind, int by) {
        this.column = column;
        this.by = by;
        isDouble = kind == Kind.DOUBLE;
    }

    /** Mean of a group's values; null where it has none. */
    Double mean(long group) {
        SumQueue queue = sums.get(group);
        return queue == null ? null : (Double) (queue.sum() / queue.count());
    }

    private double value(Log log, long position) {
        long bits = log.number(position, column);
        return isDouble ? Double.longBitsToDouble(bits) : (double) bits;
    }

    @Override
    public void added(Log log, long position) {
        if (log.isNull(position, column)) return;
        sums.computeIfAbsent(log.number(position, by), group -> new SumQueue()).add(value(log, position));
    }

    @Override
    public void removed(Log log, long position) {
        if (log.isNull(position, column)) return;
        long group = log.number(position, by);
        SumQueue queue = sums.get(group);
        queue.removeFirst();
        if (queue.count() == 0) sums.remove(group);
    }

    @Override
    public long bytes() {
        long bytes = 64;
        for (SumQueue queue : sums.values()) bytes += 80 + queue.bytes();
        return bytes;
    }
}
