package headrace;

/** Something that is known of one column of a window. */
interface Part {
    /** The row at this position, the newest, came into the window. */
    void added(Log log, long position);

    /** The row at this position, the oldest, leaves the window. */
    void removed(Log log, long position);

    /** The window's front part is used up: [from, to) is what it holds now. */
    default void turned(Log log, long from, long to) {}

    /** Bytes of memory, about. */
    long bytes();
}
