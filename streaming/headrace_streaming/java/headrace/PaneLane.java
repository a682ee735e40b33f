package headrace;

import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/**
 * Figures of the events of one key by pane: what windows with a resolution need instead of the events.
 *
 * <p>A pane is a length of the clock, counted from 1970. One that is over never changes; the open one stands by itself.
 */
final class PaneLane implements Lane {
    private final LaneSpec spec;
    private final Log log;
    private final boolean[] isDouble;
    private final PaneWindow[] windows;
    private final Figures[] open;
    /** Clock at which the open pane begins. */
    private long pane = KeyState.UNSET;

    PaneLane(LaneSpec spec) {
        this.spec = spec;
        isDouble = new boolean[spec.columns.length];
        open = new Figures[spec.columns.length];
        for (int c = 0; c < open.length; c++) open[c] = new Figures(isDouble[c] = spec.columns[c] == Kind.DOUBLE);
        log = new Log(kinds());
        windows = new PaneWindow[spec.windows.length];
        for (int w = 0; w < windows.length; w++) windows[w] = new PaneWindow(spec.windows[w].lengthMs, isDouble);
    }

    private Kind[] kinds() {
        Kind[] kinds = new Kind[open.length * Figures.WIDTH];
        for (int c = 0; c < open.length; c++) {
            System.arraycopy(Figures.kinds(isDouble[c]), 0, kinds, c * Figures.WIDTH, Figures.WIDTH);
        }
        return kinds;
    }

    Totals totals(int window, int column) {
        return windows[window].totals(column, open[column]);
    }

    @Override
    public void advance(long clock) {
        long begin = clock - Math.floorMod(clock, spec.resolutionMs);
        if (begin == pane) return;
        close();
        pane = begin;
        long keep = log.next;
        for (PaneWindow window : windows) {
            window.advance(log, begin);
            keep = Math.min(keep, window.from);
        }
        log.release(keep);
    }

    private void close() {
        boolean isEmpty = true;
        for (Figures figures : open) isEmpty &= figures.isEmpty();
        if (isEmpty) return;
        int row = log.append(pane, 0);
        for (int c = 0; c < open.length; c++) {
            open[c].write(log, row, c * Figures.WIDTH);
            open[c].clear();
        }
        for (PaneWindow window : windows) window.closed(log);
    }

    @Override
    public void add(Current current) {
        if (spec.where >= 0 && !current.isTrue(spec.where)) return;
        for (int c = 0; c < open.length; c++) {
            int input = spec.inputs[c];
            if (current.isNull[input]) continue;
            if (spec.columns[c] == Kind.TEXT) open[c].count1();
            else open[c].add(current.numbers[input]);
        }
    }

    @Override
    public long bytes() {
        long bytes = 64 + log.bytes() + open.length * 80L;
        for (PaneWindow window : windows) bytes += window.bytes();
        return bytes;
    }

    @Override
    public void store(Pieces pieces, int number, DataOutputSerializer head) throws Exception {
        log.store(pieces, number, head);
        for (PaneWindow window : windows) {
            Words.write(window.from, head);
            Words.write(window.middle, head);
        }
        head.writeLong(pane);
        for (Figures figures : open) figures.store(head);
    }

    @Override
    public void load(Pieces pieces, int number, DataInputDeserializer head) throws Exception {
        log.load(pieces, number, head);
        for (PaneWindow window : windows) window.restore(log, Words.read(head), Words.read(head));
        pane = head.readLong();
        for (Figures figures : open) figures.load(head);
    }

    @Override
    public void discard(Pieces pieces, int number) throws Exception {
        log.discard(pieces, number);
    }
}
