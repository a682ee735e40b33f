package headrace;

/** What a row says besides its features: its event, and where it stands. */
final class Head {
    byte[] eventId;
    /** The key as its topics have it. */
    byte[] key;

    long eventTimeMs;
    /** Of a late event without a row: the watermark that had passed it. */
    long clockMs;

    long generation;
    int partition;
    long offset;
    long ingestedAtMs;
    long emittedAtMs;
}
