package headrace;

/** The oldest and the newest value of a column in a window that is not null. */
final class Ends implements Part {
    private static final long NONE = -1;
    private final int column;
    private long first = NONE;
    private long last = NONE;

    Ends(int column) {
        this.column = column;
    }

    /** Position of the oldest value, or -1. */
    long first() {
        return first;
    }

    /** Position of the newest value, or -1. */
    long last() {
        return last;
    }

    @Override
    public void added(Log log, long position) {
        if (log.isNull(position, column)) return;
        last = position;
        if (first == NONE) first = position;
    }

    @Override
    public void removed(Log log, long position) {
        if (position != first) return;
        while (first <= last && (first == position || log.isNull(first, column))) first++;
        if (first > last) first = last = NONE;
    }

    @Override
    public long bytes() {
        return 40;
    }
}
