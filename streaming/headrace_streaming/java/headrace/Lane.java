package headrace;

import java.io.IOException;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * The events of one key that windows and lags still need, in order, and the windows over them.
 *
 * <p>A ring of columns: the clock, a bit mask of nulls, and 64 bits a value (the bits of a double, or a whole
 * number). Text is kept as text. Positions are sequence numbers that only grow.
 */
final class Lane {
    final LaneSpec spec;
    long first;
    long next;
    private long[] clocks = new long[8];
    private long[] nulls = new long[8];
    private final long[][] numbers;
    private final String[][] texts;
    private final Window[] windows;

    Lane(LaneSpec spec) {
        this.spec = spec;
        numbers = new long[spec.columns.length][];
        texts = new String[spec.columns.length][];
        for (int c = 0; c < spec.columns.length; c++) {
            if (spec.columns[c] == Kind.TEXT) texts[c] = new String[8];
            else numbers[c] = new long[8];
        }
        windows = new Window[spec.windows.length];
        for (int w = 0; w < windows.length; w++) windows[w] = new Window(spec.windows[w], spec);
    }

    private Lane(Lane from) {
        spec = from.spec;
        first = from.first;
        next = from.next;
        clocks = from.clocks.clone();
        nulls = from.nulls.clone();
        numbers = from.numbers.clone();
        texts = from.texts.clone();
        for (int c = 0; c < numbers.length; c++) {
            if (numbers[c] != null) numbers[c] = numbers[c].clone();
            if (texts[c] != null) texts[c] = texts[c].clone();
        }
        windows = new Window[from.windows.length];
        for (int w = 0; w < windows.length; w++) windows[w] = from.windows[w].copy();
    }

    Lane copy() {
        return new Lane(this);
    }

    private int at(long position) {
        return (int) position & (clocks.length - 1);
    }

    boolean isNull(long position, int column) {
        return (nulls[at(position)] >>> column & 1) != 0;
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

    Window window(int index) {
        return windows[index];
    }

    /** Time windows let go of what lies at or before {@code clock - length}; called before the event is added. */
    void advance(long clock) {
        for (Window window : windows) window.advance(this, clock);
    }

    void add(long clock, long nullMask, long[] values, String[] strings) {
        if (next - first == clocks.length) resize(clocks.length * 2);
        int i = at(next);
        clocks[i] = clock;
        nulls[i] = nullMask;
        for (int c = 0; c < numbers.length; c++) {
            if (numbers[c] != null) numbers[c][i] = values[c];
            else texts[c][i] = strings[c];
        }
        next++;
        for (Window window : windows) window.added(this);
        release();
    }

    private void release() {
        long keep = next - spec.lagRows;
        for (Window window : windows) keep = Math.min(keep, window.from);
        keep = Math.max(first, Math.min(keep, next));
        for (int c = 0; c < texts.length; c++) {
            if (texts[c] != null) for (long p = first; p < keep; p++) texts[c][at(p)] = null;
        }
        first = keep;
        if (clocks.length > 64 && next - first < clocks.length / 8) resize(clocks.length / 4);
    }

    private void resize(int capacity) {
        long[] newClocks = new long[capacity];
        long[] newNulls = new long[capacity];
        for (long p = first; p < next; p++) {
            newClocks[(int) p & capacity - 1] = clocks[at(p)];
            newNulls[(int) p & capacity - 1] = nulls[at(p)];
        }
        for (int c = 0; c < numbers.length; c++) {
            if (numbers[c] != null) {
                long[] moved = new long[capacity];
                for (long p = first; p < next; p++) moved[(int) p & capacity - 1] = numbers[c][at(p)];
                numbers[c] = moved;
            } else {
                String[] moved = new String[capacity];
                for (long p = first; p < next; p++) moved[(int) p & capacity - 1] = texts[c][at(p)];
                texts[c] = moved;
            }
        }
        clocks = newClocks;
        nulls = newNulls;
    }

    void write(DataOutputView out) throws IOException {
        out.writeLong(first);
        out.writeInt((int) (next - first));
        for (long p = first; p < next; p++) {
            int i = at(p);
            out.writeLong(clocks[i]);
            out.writeLong(nulls[i]);
            for (int c = 0; c < numbers.length; c++) {
                if ((nulls[i] >>> c & 1) != 0) continue;
                if (numbers[c] != null) out.writeLong(numbers[c][i]);
                else Texts.write(texts[c][i], out);
            }
        }
        for (Window window : windows) window.write(out);
    }

    static Lane read(LaneSpec spec, DataInputView in) throws IOException {
        Lane lane = new Lane(spec);
        lane.first = in.readLong();
        int size = in.readInt();
        lane.next = lane.first;
        int capacity = 8;
        while (capacity < size) capacity *= 2;
        lane.resize(capacity);
        for (int k = 0; k < size; k++) {
            int i = lane.at(lane.next);
            lane.clocks[i] = in.readLong();
            lane.nulls[i] = in.readLong();
            for (int c = 0; c < lane.numbers.length; c++) {
                if ((lane.nulls[i] >>> c & 1) != 0) continue;
                if (lane.numbers[c] != null) lane.numbers[c][i] = in.readLong();
                else lane.texts[c][i] = Texts.read(in);
            }
            lane.next++;
        }
        for (Window window : lane.windows) window.read(lane, in);
        return lane;
    }
}
