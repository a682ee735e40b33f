package headrace;

import java.io.IOException;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/**
 * Rows in order of a clock, appended at the end and let go of at the beginning: a ring of columns in memory, pieces of 64 rows
 * in state.
 *
 * <p>A row is its clock, a bit mask of nulls, and 64 bits a column (the bits of a double, or a whole number) or text. Positions
 * are sequence numbers that only grow. A piece that is full never changes, so it is written once; the rows of the last one stand
 * with the head of the key.
 */
final class Log {
    static final int PIECE = 64;
    private static final int PIECE_BITS = 6;

    final Kind[] kinds;
    long first;
    long next;
    private long[] clocks = new long[8];
    /** Null as long as no value ever was. */
    private long[] nulls;

    private final long[][] numbers;
    private final String[][] texts;
    /** Bytes of memory of all texts, about. */
    private long letters;

    /** Pieces [storedFrom, storedTo) stand in state. */
    private long storedFrom;

    private long storedTo;

    Log(Kind... kinds) {
        this.kinds = kinds;
        numbers = new long[kinds.length][];
        texts = new String[kinds.length][];
        for (int c = 0; c < kinds.length; c++) {
            if (kinds[c] == Kind.TEXT) texts[c] = new String[8];
            else numbers[c] = new long[8];
        }
    }

    private int at(long position) {
        return (int) position & clocks.length - 1;
    }

    int size() {
        return (int) (next - first);
    }

    boolean isNull(long position, int column) {
        return nulls != null && (nulls[at(position)] >>> column & 1) != 0;
    }

    long number(long position, int column) {
        return numbers[column][at(position)];
    }

    String text(long position, int column) {
        return texts[column][at(position)];
    }

    long clock(long position) {
        return clocks[at(position)];
    }

    /** Appends a row and returns where its values are to be set; those whose bit is set in the mask are not. */
    int append(long clock, long nullMask) {
        if (next - first == clocks.length) resize(clocks.length * 2);
        int row = at(next++);
        clocks[row] = clock;
        if (nullMask != 0 && nulls == null) nulls = new long[clocks.length];
        if (nulls != null) nulls[row] = nullMask;
        return row;
    }

    void set(int row, int column, long value) {
        numbers[column][row] = value;
    }

    void set(int row, int column, String text) {
        texts[column][row] = text;
        letters += size(text);
    }

    private static long size(String text) {
        return text == null ? 0 : 48 + text.length();
    }

    /** Lets go of the rows before a position. */
    void release(long keep) {
        if (keep <= first) return;
        for (String[] column : texts) {
            if (column == null) continue;
            for (long p = first; p < keep; p++) {
                letters -= size(column[at(p)]);
                column[at(p)] = null;
            }
        }
        first = keep;
        if (clocks.length > 64 && size() < clocks.length / 8) resize(clocks.length / 4);
    }

    private void resize(int capacity) {
        long[] old = clocks;
        clocks = moved(old, capacity);
        if (nulls != null) nulls = moved(nulls, capacity);
        for (int c = 0; c < kinds.length; c++) {
            if (numbers[c] != null) {
                numbers[c] = moved(numbers[c], capacity);
            } else {
                String[] to = new String[capacity];
                for (long p = first; p < next; p++) to[(int) p & capacity - 1] = texts[c][(int) p & old.length - 1];
                texts[c] = to;
            }
        }
    }

    private long[] moved(long[] from, int capacity) {
        long[] to = new long[capacity];
        for (long p = first; p < next; p++) to[(int) p & capacity - 1] = from[(int) p & from.length - 1];
        return to;
    }

    /** Bytes of memory, about. */
    long bytes() {
        long words = clocks.length * (1L + kinds.length) + (nulls == null ? 0 : nulls.length);
        return 64 + words * 8 + letters;
    }

    /** Writes what state does not have yet: full pieces by themselves, the head's part to {@code head}. */
    void store(Pieces pieces, int log, DataOutputSerializer head) throws Exception {
        long from = first >>> PIECE_BITS;
        long to = next >>> PIECE_BITS;
        for (; storedFrom < Math.min(from, storedTo); storedFrom++) pieces.remove(log, storedFrom);
        storedFrom = from;
        for (storedTo = Math.max(storedTo, from); storedTo < to; storedTo++) {
            DataOutputSerializer out = pieces.output();
            rows(Math.max(first, storedTo << PIECE_BITS), storedTo + 1 << PIECE_BITS, out);
            pieces.put(log, storedTo, out);
        }
        Words.write(first, head);
        Words.write(next, head);
        rows(Math.max(first, to << PIECE_BITS), next, head);
    }

    /** Removes everything from state. */
    void discard(Pieces pieces, int log) throws Exception {
        for (; storedFrom < storedTo; storedFrom++) pieces.remove(log, storedFrom);
    }

    /** Reads what {@link #store} wrote into this log, which is empty. */
    void load(Pieces pieces, int log, DataInputDeserializer head) throws Exception {
        first = next = Words.read(head);
        long end = Words.read(head);
        storedFrom = first >>> PIECE_BITS;
        storedTo = end >>> PIECE_BITS;
        int capacity = 8;
        while (capacity < end - first) capacity *= 2;
        resize(capacity);
        for (long piece = storedFrom; piece < storedTo; piece++) read(pieces.get(log, piece));
        read(head);
        if (next != end) throw new IOException("a log of " + (end - first) + " rows holds " + (next - first));
    }

    private void rows(long from, long to, DataOutputSerializer out) throws IOException {
        Words.write(from, out);
        Words.write(to - from, out);
        long mask = 0;
        long before = 0;
        for (long p = from; p < to; p++) {
            Words.write(clocks[at(p)] - before, out);
            before = clocks[at(p)];
            if (nulls != null) mask |= nulls[at(p)];
        }
        out.writeBoolean(mask != 0);
        if (mask != 0) for (long p = from; p < to; p++) Words.write(nulls[at(p)], out);
        for (int c = 0; c < kinds.length; c++) {
            for (long p = from; p < to; p++) {
                if (mask != 0 && isNull(p, c)) continue;
                if (kinds[c] == Kind.TEXT) Texts.write(texts[c][at(p)], out);
                else if (kinds[c] == Kind.LONG) Words.write(numbers[c][at(p)], out);
                else out.writeLong(numbers[c][at(p)]);
            }
        }
    }

    private void read(DataInputDeserializer in) throws IOException {
        long from = Words.read(in);
        int count = (int) Words.read(in);
        // A piece was written with the rows that were there; some of them may be gone since.
        int gone = (int) Math.max(0, Math.min(count, next - from));
        long clock = 0;
        for (int k = 0; k < count; k++) {
            clock += Words.read(in);
            if (k >= gone) clocks[at(from + k)] = clock;
        }
        long[] masks = new long[count];
        if (in.readBoolean()) {
            for (int k = 0; k < count; k++) masks[k] = Words.read(in);
            if (nulls == null) nulls = new long[clocks.length];
        }
        if (nulls != null) for (int k = gone; k < count; k++) nulls[at(from + k)] = masks[k];
        for (int c = 0; c < kinds.length; c++) {
            for (int k = 0; k < count; k++) {
                if ((masks[k] >>> c & 1) != 0) continue;
                if (kinds[c] == Kind.TEXT) {
                    String text = Texts.read(in);
                    if (k >= gone) set(at(from + k), c, text);
                } else {
                    long number = kinds[c] == Kind.LONG ? Words.read(in) : in.readLong();
                    if (k >= gone) set(at(from + k), c, number);
                }
            }
        }
        next += count - gone;
    }
}
