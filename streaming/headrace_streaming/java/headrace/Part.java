package headrace;

/** Something that is known of one column of a window. */
interface Part {
    /** The row at this position, the newest, came into the window. */
    void added(Log log, long position);

    /** The row at this position, the oldest, leaves the window. */
    void removed(Log log, long position);

    /** The window's front part is used up: [from, to) is what it holds now. */
    default void turned(Log log, long from, long to) {}

    /** Makes it again from the rows of [from, the newest], of which [from, middle) are the front part. */
    default void restore(Log log, long from, long middle) {
        for (long p = from; p < log.next; p++) added(log, p);
    }

    /** Bytes of memory, about. */
    long bytes();
}
