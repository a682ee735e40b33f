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
}
