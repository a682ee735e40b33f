package headrace;

import org.apache.flink.table.data.StringData;

/** The values of a row's features by their places; each is set once an event, without an object of its own. */
final class Cells {
    static final byte NOTHING = 0;
    static final byte WHOLE = 1;
    static final byte REAL = 2;
    static final byte TEXT = 3;

    private final byte[] kinds;
    private final long[] bits;
    private final StringData[] texts;

    Cells(int size) {
        kinds = new byte[size];
        bits = new long[size];
        texts = new StringData[size];
    }

    /** What stands at a place; {@link #NOTHING} is null. */
    byte kind(int place) {
        return kinds[place];
    }

    long whole(int place) {
        return bits[place];
    }

    double real(int place) {
        return Double.longBitsToDouble(bits[place]);
    }

    StringData text(int place) {
        return texts[place];
    }

    /** The value as an object; null is null. */
    Object value(int place) {
        switch (kinds[place]) {
            case WHOLE:
                return whole(place);
            case REAL:
                return real(place);
            case TEXT:
                return text(place);
            default:
                return null;
        }
    }

    void setNothing(int place) {
        kinds[place] = NOTHING;
    }

    void set(int place, long value) {
        kinds[place] = WHOLE;
        bits[place] = value;
    }

    void set(int place, double value) {
        kinds[place] = REAL;
        bits[place] = Double.doubleToRawLongBits(value);
    }

    /** @param value Null is null. */
    void set(int place, Double value) {
        if (value == null) setNothing(place);
        else set(place, value.doubleValue());
    }

    void set(int place, String text) {
        kinds[place] = TEXT;
        texts[place] = StringData.fromString(text);
    }
}
