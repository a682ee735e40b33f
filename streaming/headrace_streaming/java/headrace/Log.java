package headrace;

import java.io.IOException;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/**
 * Rows in order of a clock, appended at the end and let go of at the beginning: a ring of rows in memory, pieces of 64 rows
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
    /** Rows that there is room for, a power of two. */
    private int capacity = 8;
    /** Words of a row in {@link #words}: its clock, then its numbers. One row is one place in memory. */
    private final int width;

    private long[] words;
    /** Where the number of a column stands in a row. */
    private final int[] places;
    /** Null as long as no value ever was. */
    private long[] nulls;

    /** Of columns of text; null where there is none. */
    private String[][] texts;
    /** Bytes of memory of all texts, about. */
    private long letters;

    /** Pieces [storedFrom, storedTo) stand in state. */
    private long storedFrom;

    private long storedTo;

    Log(Kind... kinds) {
        this.kinds = kinds;
        places = new int[kinds.length];
        int next = 1;
        for (int c = 0; c < kinds.length; c++) {
            if (kinds[c] != Kind.TEXT) {
                places[c] = next++;
                continue;
            }
            if (texts == null) texts = new String[kinds.length][];
            texts[c] = new String[capacity];
        }
        width = next;
        words = new long[capacity * width];
    }

    private int at(long position) {
        return (int) position & capacity - 1;
    }

    private int row(long position) {
        return at(position) * width;
    }

    int size() {
        return (int) (next - first);
    }

    boolean isNull(long position, int column) {
        return nulls != null && (nulls[at(position)] >>> column & 1) != 0;
    }

    long number(long position, int column) {
        return words[row(position) + places[column]];
    }

    String text(long position, int column) {
        return texts[column][at(position)];
    }

    long clock(long position) {
        return words[row(position)];
    }

    /** Appends a row and returns where its values are to be set; those whose bit is set in the mask are not. */
    int append(long clock, long nullMask) {
        if (next - first == capacity) resize(capacity * 2);
        int row = at(next++);
        words[row * width] = clock;
        if (nullMask != 0 && nulls == null) nulls = new long[capacity];
        if (nulls != null) nulls[row] = nullMask;
        return row;
    }

    void set(int row, int column, long value) {
        words[row * width + places[column]] = value;
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
        if (texts != null) forget(keep);
        first = keep;
        if (capacity > 64 && size() < capacity / 8) resize(capacity / 4);
    }

    private void forget(long keep) {
        for (String[] column : texts) {
            if (column == null) continue;
            for (long p = first; p < keep; p++) {
                letters -= size(column[at(p)]);
                column[at(p)] = null;
            }
        }
    }

    private void resize(int room) {
        int old = capacity;
        long[] from = words;
        long[] masks = nulls;
        String[][] columns = texts;
        capacity = room;
        words = new long[room * width];
        if (masks != null) nulls = new long[room];
        if (columns != null) texts = new String[kinds.length][];
        for (int c = 0; c < kinds.length; c++) if (kinds[c] == Kind.TEXT) texts[c] = new String[room];
        for (long p = first; p < next; p++) {
            int was = (int) p & old - 1;
            System.arraycopy(from, was * width, words, row(p), width);
            if (masks != null) nulls[at(p)] = masks[was];
            for (int c = 0; c < kinds.length; c++) if (kinds[c] == Kind.TEXT) texts[c][at(p)] = columns[c][was];
        }
    }

    /** Bytes of memory, about. */
    long bytes() {
        long texts = (long) capacity * (kinds.length + 1 - width) * 4;
        return 96 + (words.length + (nulls == null ? 0 : nulls.length)) * 8L + texts + letters;
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
        int room = 8;
        while (room < end - first) room *= 2;
        resize(room);
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
            Words.write(clock(p) - before, out);
            before = clock(p);
            if (nulls != null) mask |= nulls[at(p)];
        }
        out.writeBoolean(mask != 0);
        if (mask != 0) for (long p = from; p < to; p++) Words.write(nulls[at(p)], out);
        for (int c = 0; c < kinds.length; c++) {
            for (long p = from; p < to; p++) {
                if (mask != 0 && isNull(p, c)) continue;
                if (kinds[c] == Kind.TEXT) Texts.write(texts[c][at(p)], out);
                else if (kinds[c] == Kind.LONG) Words.write(number(p, c), out);
                else out.writeLong(number(p, c));
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
            if (k >= gone) words[row(from + k)] = clock;
        }
        long[] masks = new long[count];
        if (in.readBoolean()) {
            for (int k = 0; k < count; k++) masks[k] = Words.read(in);
            if (nulls == null) nulls = new long[capacity];
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
