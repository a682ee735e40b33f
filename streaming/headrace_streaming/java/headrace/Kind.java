package headrace;

/** How a value stands in a lane: the bits of a double, a whole number (booleans are 0 and 1), or text. */
enum Kind {
    DOUBLE,
    LONG,
    TEXT
}
