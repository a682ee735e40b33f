package headrace;

/** What is known of the values of a window, however it is kept. */
interface Totals {
    long count();

    double sum();

    /** Population standard deviation: zero if and only if the smallest value is the largest. */
    double deviation();

    /** Bits of the smallest value. */
    long minimum();

    /** Bits of the largest value. */
    long maximum();

    /** The deviation of values that differ or do not, by the sum of the squares of their distances from the mean. */
    static double deviation(boolean differ, double squares, long count) {
        return differ ? Math.max(Math.sqrt(Math.max(squares, 0) / count), Double.MIN_VALUE) : 0.0;
    }
}
