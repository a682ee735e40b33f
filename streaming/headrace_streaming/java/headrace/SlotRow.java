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
final class SlotRow implements RowForm {
    private static final int MARK = 0xB1;
    private static final int VERSION = 1;
    private static final int LEAD = 6;
    /** Fields of a {@link Head}. */
    private static final int HEAD = 9;
    private static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INTS = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    private final char[] types;
    /** Where the slot of each field begins, from the beginning of the row. */
    private final int[] slots;

    private final int nulls;
    private final int texts;
    /** The first field that expressions give. */
    private final int expressions;
    /** The layout at its beginning never changes. */
    private byte[] bytes;

    private int size;

    /** @param features Features of the kernel that a row shows; those that expressions give stand behind them. */
    SlotRow(String layout, int features) {
        expressions = HEAD + features;
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

    @Override
    public byte[] of(Head head, Cells cells, int[] shown) {
        Arrays.fill(bytes, nulls, texts, (byte) 0);
        size = texts;
        text(0, head.eventId);
        key(head.key);
        LONGS.set(bytes, slots[2], head.eventTimeMs);
        LONGS.set(bytes, slots[3], head.clockMs);
        LONGS.set(bytes, slots[4], head.generation);
        INTS.set(bytes, slots[5], head.partition);
        LONGS.set(bytes, slots[6], head.offset);
        LONGS.set(bytes, slots[7], head.ingestedAtMs);
        LONGS.set(bytes, slots[8], head.emittedAtMs);
        for (int i = 0; i < shown.length; i++) cell(HEAD + i, cells, shown[i]);
        return Arrays.copyOf(bytes, size);
    }

    private void key(byte[] key) {
        if (types[1] == 's') text(1, key);
        else set(1, Long.parseLong(new String(key, StandardCharsets.US_ASCII)));
    }

    private void cell(int i, Cells cells, int place) {
        switch (cells.kind(place)) {
            case Cells.REAL:
                real(i, cells.real(place));
                return;
            case Cells.WHOLE:
                LONGS.set(bytes, slots[i], cells.whole(place));
                return;
            case Cells.TEXT:
                set(i, cells.text(place));
                return;
            default:
                setNull(i);
        }
    }

    @Override
    public byte[] completed(byte[] row, Object[] values) {
        size = row.length;
        if (size > bytes.length) bytes = new byte[size * 2];
        System.arraycopy(row, 0, bytes, 0, size);
        for (int i = 0; i < values.length; i++) set(expressions + i, values[i]);
        return Arrays.copyOf(bytes, size);
    }

    private void set(int i, Object value) {
        if (value == null) {
            setNull(i);
            return;
        }
        switch (types[i]) {
            case 'd':
                real(i, ((Number) value).doubleValue());
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

    private void real(int i, double value) {
        // As in JSON: minus zero is zero, and what is no finite number is null.
        if (Double.isFinite(value)) LONGS.set(bytes, slots[i], Double.doubleToRawLongBits(value + 0.0));
        else setNull(i);
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
