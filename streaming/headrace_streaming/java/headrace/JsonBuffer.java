package headrace;

import java.util.Arrays;
import org.apache.flink.table.data.binary.BinaryStringData;

/** A growing buffer of UTF-8 JSON. */
final class JsonBuffer {
    private static final byte[] NULL = {'n', 'u', 'l', 'l'};
    private static final byte[] TRUE = {'t', 'r', 'u', 'e'};
    private static final byte[] FALSE = {'f', 'a', 'l', 's', 'e'};
    private static final byte[] HEX = "0123456789abcdef".getBytes(java.nio.charset.StandardCharsets.US_ASCII);
    /** The digits of 0 to 99, two of each. */
    private static final byte[] PAIRS = new byte[200];
    /** Powers of ten that a long can be. */
    private static final long[] POWERS = new long[19];

    static {
        for (int i = 0; i < 100; i++) {
            PAIRS[2 * i] = (byte) ('0' + i / 10);
            PAIRS[2 * i + 1] = (byte) ('0' + i % 10);
        }
        POWERS[0] = 1;
        for (int i = 1; i < POWERS.length; i++) POWERS[i] = POWERS[i - 1] * 10;
    }

    private byte[] bytes = new byte[1024];
    private int size;

    void clear() {
        size = 0;
    }

    /** Closes the object and returns its bytes. */
    byte[] end() {
        room(1);
        bytes[size++] = '}';
        return copy();
    }

    /** The bytes of what is written so far. */
    byte[] copy() {
        return Arrays.copyOf(bytes, size);
    }

    void raw(byte[] text) {
        room(text.length);
        System.arraycopy(text, 0, bytes, size, text.length);
        size += text.length;
    }

    /** A member of the object: {@code ,"name":} as ready bytes, and its value. */
    void member(byte[] name, Object value) {
        raw(name);
        value(value);
    }

    void value(Object value) {
        if (value == null) raw(NULL);
        else if (value instanceof Double) real((Double) value);
        else if (value instanceof Long || value instanceof Integer) whole(((Number) value).longValue());
        else if (value instanceof Boolean) raw((Boolean) value ? TRUE : FALSE);
        else if (value instanceof BinaryStringData) text(((BinaryStringData) value).toBytes());
        else text(value.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }

    void real(double value) {
        long whole = (long) value;
        // Minus zero is zero.
        if (whole == value && Math.abs(whole) < 1L << 53) {
            whole(whole);
            ascii(".0");
        } else if (thousandths(value)) {
            return;
        } else if (Double.isNaN(value) || Double.isInfinite(value)) {
            raw(NULL);
        } else {
            ascii(Double.toString(value));
        }
    }

    /**
     * Writes a number that has no more than three decimals, which many have; false where it has more.
     *
     * <p>A quotient of two exact numbers is rounded once, as the text of the quotient is when it is read: both give the same double.
     */
    private boolean thousandths(double value) {
        double scaled = Math.rint(value * 1000);
        if (!(Math.abs(scaled) < 1e15) || scaled / 1000 != value || scaled == 0) return false;
        long all = (long) Math.abs(scaled);
        if (value < 0) ascii("-");
        whole(all / 1000);
        room(4);
        int decimals = (int) (all % 1000);
        bytes[size++] = '.';
        bytes[size++] = (byte) ('0' + decimals / 100);
        if (decimals % 100 != 0) bytes[size++] = (byte) ('0' + decimals / 10 % 10);
        if (decimals % 10 != 0) bytes[size++] = (byte) ('0' + decimals % 10);
        return true;
    }

    void whole(long value) {
        room(20);
        if (value < 0) {
            if (value == Long.MIN_VALUE) {
                ascii("-9223372036854775808");
                return;
            }
            bytes[size++] = '-';
            value = -value;
        }
        size += digits(value);
        int at = size;
        // In integers as soon as they suffice, two digits at a time: instants have thirteen.
        for (; value > Integer.MAX_VALUE; value /= 100) pair((int) (value % 100), at -= 2);
        int rest = (int) value;
        for (; rest >= 100; rest /= 100) pair(rest % 100, at -= 2);
        if (rest >= 10) pair(rest, at - 2);
        else bytes[at - 1] = (byte) ('0' + rest);
    }

    private void pair(int digits, int at) {
        bytes[at] = PAIRS[2 * digits];
        bytes[at + 1] = PAIRS[2 * digits + 1];
    }

    private static int digits(long value) {
        int digits = 1;
        while (digits < POWERS.length && value >= POWERS[digits]) digits++;
        return digits;
    }

    @SuppressWarnings("deprecation") // The one that copies the low bytes of an ASCII string without a detour.
    private void ascii(String text) {
        room(text.length());
        text.getBytes(0, text.length(), bytes, size);
        size += text.length();
    }

    void text(byte[] utf8) {
        room(utf8.length * 6 + 2);
        bytes[size++] = '"';
        for (byte c : utf8) {
            if (c == '"' || c == '\\') {
                bytes[size++] = '\\';
                bytes[size++] = c;
            } else if (c >= 0 && c < 32) {
                ascii("\\u00");
                bytes[size++] = HEX[c >> 4];
                bytes[size++] = HEX[c & 15];
            } else {
                bytes[size++] = c;
            }
        }
        bytes[size++] = '"';
    }

    private void room(int more) {
        if (size + more > bytes.length) bytes = Arrays.copyOf(bytes, Math.max(bytes.length * 2, size + more));
    }
}
