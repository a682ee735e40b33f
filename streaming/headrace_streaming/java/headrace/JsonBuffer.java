package headrace;

import java.util.Arrays;
import org.apache.flink.table.data.binary.BinaryStringData;

/** A growing buffer of UTF-8 JSON. */
final class JsonBuffer {
    private static final byte[] NULL = {'n', 'u', 'l', 'l'};
    private static final byte[] TRUE = {'t', 'r', 'u', 'e'};
    private static final byte[] FALSE = {'f', 'a', 'l', 's', 'e'};
    private static final byte[] HEX = "0123456789abcdef".getBytes(java.nio.charset.StandardCharsets.US_ASCII);
    private byte[] bytes = new byte[1024];
    private int size;

    void clear() {
        size = 0;
    }

    /** Closes the object and returns its bytes. */
    byte[] end() {
        room(1);
        bytes[size++] = '}';
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

    private void real(double value) {
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

    private void whole(long value) {
        room(20);
        if (value < 0) {
            if (value == Long.MIN_VALUE) {
                ascii("-9223372036854775808");
                return;
            }
            bytes[size++] = '-';
            value = -value;
        }
        int digits = 1;
        for (long rest = value; rest >= 10; rest /= 10) digits++;
        for (int i = size + digits - 1; i >= size; i--) {
            bytes[i] = (byte) ('0' + value % 10);
            value /= 10;
        }
        size += digits;
    }

    @SuppressWarnings("deprecation") // The one that copies the low bytes of an ASCII string without a detour.
    private void ascii(String text) {
        room(text.length());
        text.getBytes(0, text.length(), bytes, size);
        size += text.length();
    }

    private void text(byte[] utf8) {
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
