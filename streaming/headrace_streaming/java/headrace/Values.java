package headrace;

import java.util.HashMap;
import java.util.Map;

/** How often each value of a column stands in a window. */
final class Values implements Part {
    private final int column;
    private final boolean isText;
    private final Map<Object, Integer> counts = new HashMap<>();
    private int total;

    Values(int column, Kind kind) {
        this.column = column;
        isText = kind == Kind.TEXT;
    }

    /** Number of different values. */
    int different() {
        return counts.size();
    }

    /** Number of values. */
    int total() {
        return total;
    }

    int times(Object value) {
        return counts.getOrDefault(value, 0);
    }

    private Object value(Log log, long position) {
        return isText ? log.text(position, column) : (Object) log.number(position, column);
    }

    @Override
    public void added(Log log, long position) {
        if (log.isNull(position, column)) return;
        counts.merge(value(log, position), 1, Integer::sum);
        total++;
    }

    @Override
    public void removed(Log log, long position) {
        if (log.isNull(position, column)) return;
        counts.computeIfPresent(value(log, position), (value, times) -> times == 1 ? null : times - 1);
        total--;
    }

    @Override
    public long bytes() {
        return 64 + counts.size() * 80L;
    }
}
