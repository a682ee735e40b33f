package headrace;

import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.data.binary.BinaryStringData;

/**
 * A row in binary: its layout, a bit a field that is null, a slot a field, the bytes of its texts.
 *
 * <p>{@code docs/wire-format.md} describes it; {@code headrace_ingestion.feature_rows} makes the layout and reads the rows.
 */
final class SlotRow {
    private static final int MARK = 0xB1;
    private static final int VERSION = 1;
    private static final int LEAD = 6;
    private static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INTS = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    private final char[] types;
    /** Where the slot of each field begins, from the beginning of the row. */
    private final int[] slots;

    private final int nulls;
    private final int texts;
    /** The layout at its beginning never changes. */
    private byte[] bytes;

    private int size;

    SlotRow(String layout) {
        byte[] text = layout.getBytes(StandardCharsets.UTF_8);
        types = types(layout);
        nulls = LEAD + text.length;
        slots = new int[types.length];
        int place = nulls + (types.length + 7) / 8;
        for (int i = 0; i < types.length; i++) {
            slots[i] = place;
            place += width(types[i]);
        }
        texts = place;
        bytes = new byte[texts + 256];
        bytes[0] = (byte) MARK;
        bytes[1] = VERSION;
        INTS.set(bytes, 2, text.length);
        System.arraycopy(text, 0, bytes, LEAD, text.length);
    }

    private static char[] types(String layout) {
        List<String> found = new ArrayList<>();
        try {
            JsonNode fields = new ObjectMapper().readTree(layout).get("fields");
            for (JsonNode type : fields) found.add(type.asText());
        } catch (IOException e) {
            throw new IllegalArgumentException("the layout of the rows is not JSON: " + layout, e);
        }
        return String.join("", found).toCharArray();
    }

    private static int width(char type) {
        return type == 'b' ? 1 : type == 'i' || type == 's' ? 4 : 8;
    }

    /** Returns the row of these values, which are those of the layout's fields, in its order. */
    byte[] of(Object[] head, Object[] features) {
        Arrays.fill(bytes, nulls, texts, (byte) 0);
        size = texts;
        for (int i = 0; i < head.length; i++) set(i, head[i]);
        for (int i = 0; i < features.length; i++) set(head.length + i, features[i]);
        return Arrays.copyOf(bytes, size);
    }

    private void set(int i, Object value) {
        if (value == null) {
            setNull(i);
            return;
        }
        switch (types[i]) {
            case 'd':
                double real = ((Number) value).doubleValue();
                // As in JSON: minus zero is zero, and what is no finite number is null.
                if (Double.isFinite(real)) LONGS.set(bytes, slots[i], Double.doubleToRawLongBits(real + 0.0));
                else setNull(i);
                return;
            case 'q':
                LONGS.set(bytes, slots[i], ((Number) value).longValue());
                return;
            case 'i':
                INTS.set(bytes, slots[i], ((Number) value).intValue());
                return;
            case 'b':
                bytes[slots[i]] = (byte) ((Boolean) value ? 1 : 0);
                return;
            default:
                text(i, value instanceof BinaryStringData
                        ? ((BinaryStringData) value).toBytes()
                        : value.toString().getBytes(StandardCharsets.UTF_8));
        }
    }

    private void setNull(int i) {
        bytes[nulls + (i >> 3)] |= (byte) (1 << (i & 7));
    }

    private void text(int i, byte[] utf8) {
        if (size + utf8.length > bytes.length) bytes = Arrays.copyOf(bytes, Math.max(bytes.length * 2, size + utf8.length));
        INTS.set(bytes, slots[i], utf8.length);
        System.arraycopy(utf8, 0, bytes, size, utf8.length);
        size += utf8.length;
    }
}
