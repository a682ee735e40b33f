package headrace;

/** The values of a column in a window in order, for quantiles. */
final class Ordered implements Part {
    private final int column;
    private final boolean isDouble;
    private final Sorted sorted = new Sorted();

    Ordered(int column, Kind kind) {
        this.column = column;
        isDouble = kind == Kind.DOUBLE;
    }

    /** Bits of a double as a whole number with the same order; it is its own inverse. */
    private static long flip(long bits) {
        return bits ^ bits >> 63 & Long.MAX_VALUE;
    }

    private long key(Log log, long position) {
        long bits = log.number(position, column);
        return isDouble ? flip(bits) : bits;
    }

    private double value(int rank) {
        long key = sorted.select(rank);
        return isDouble ? Double.longBitsToDouble(flip(key)) : (double) key;
    }

    /** lo + (hi - lo) * fraction at rank (n - 1) * numerator / denominator; null of no values. */
    Double quantile(long numerator, long denominator) {
        int n = sorted.size();
        if (n == 0) return null;
        long place = (n - 1) * numerator;
        int rank = (int) (place / denominator);
        double low = value(rank);
        double fraction = (double) (place % denominator) / denominator;
        return fraction == 0 ? low : low + (value(rank + 1) - low) * fraction;
    }

    @Override
    public void added(Log log, long position) {
        if (!log.isNull(position, column)) sorted.add(key(log, position));
    }

    @Override
    public void removed(Log log, long position) {
        if (!log.isNull(position, column)) sorted.remove(key(log, position));
    }

    @Override
    public long bytes() {
        return sorted.bytes();
    }
}
