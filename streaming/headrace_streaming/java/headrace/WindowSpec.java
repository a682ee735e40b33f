package headrace;

/** One window: a length in milliseconds or in rows, and what it has to know of each column it aggregates. */
final class WindowSpec {
    /** Flags of what a column's aggregate keeps; the count of values is always kept. */
    static final int SUM = 1;

    static final int MOMENTS = 2;
    static final int EXTREMES = 4;

    final long lengthMs;
    final int rows;
    final int[] columns;
    final int[] keeps;

    WindowSpec(long lengthMs, int rows, int[] columns, int[] keeps) {
        this.lengthMs = lengthMs;
        this.rows = rows;
        this.columns = columns;
        this.keeps = keeps;
    }
}
