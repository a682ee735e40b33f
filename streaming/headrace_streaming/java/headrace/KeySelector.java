package headrace;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.binary.BinaryStringData;

/** The first column of a row as the key of a stream. Dead letters have none; they all go with one. */
final class KeySelector implements org.apache.flink.api.java.functions.KeySelector<RowData, Object> {
    private static final long serialVersionUID = 1L;
    private final String type;

    KeySelector(String type) {
        this.type = type;
    }

    @Override
    public Object getKey(RowData row) {
        switch (type) {
            case "string":
                // The row's memory is used again for the next one.
                return row.isNullAt(0) ? BinaryStringData.EMPTY_UTF8 : ((BinaryStringData) row.getString(0)).copy();
            case "int":
                return row.isNullAt(0) ? (Object) 0 : (Object) row.getInt(0);
            default:
                return row.isNullAt(0) ? (Object) 0L : (Object) row.getLong(0);
        }
    }

    /** A key as the topics of its rows have it. */
    static byte[] bytes(Object key) {
        return key instanceof BinaryStringData
                ? ((BinaryStringData) key).toBytes()
                : key.toString().getBytes(StandardCharsets.US_ASCII);
    }

    /** The key of a row that has one, as a name in a map in memory: a string's own comparison is slow. */
    Object name(RowData row) {
        return type.equals("string") ? new Name(row.getString(0).toBytes()) : getKey(row);
    }

    /** The bytes of a string. */
    private static final class Name {
        private final byte[] bytes;
        private final int hash;

        Name(byte[] bytes) {
            this.bytes = bytes;
            // The sum alone puts keys that differ in a few digits into few places.
            int sum = Arrays.hashCode(bytes) * 0x9E3779B9;
            hash = sum ^ sum >>> 15;
        }

        @Override
        public int hashCode() {
            return hash;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Name && Arrays.equals(((Name) other).bytes, bytes);
        }
    }
}
