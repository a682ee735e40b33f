package headrace;

import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** The events of one key that windows and lags still need, in order, and the windows over them. */
final class Lane {
    private final LaneSpec spec;
    final Log log;
    private final Window[] windows;

    Lane(LaneSpec spec) {
        this.spec = spec;
        log = new Log(spec.columns);
        windows = new Window[spec.windows.length];
        for (int w = 0; w < windows.length; w++) windows[w] = new Window(spec.windows[w], spec);
    }

    Window window(int index) {
        return windows[index];
    }

    /** Time windows let go of what lies at or before {@code clock - length}; called before the event is added. */
    void advance(long clock) {
        for (Window window : windows) window.advance(log, clock);
    }

    void add(long clock, long nullMask, long[] values, String[] strings) {
        log.add(clock, nullMask, values, strings);
        for (Window window : windows) window.added(log);
        long keep = log.next - spec.lagRows;
        for (Window window : windows) keep = Math.min(keep, window.from);
        log.release(Math.min(keep, log.next));
    }

    long bytes() {
        long bytes = log.bytes();
        for (Window window : windows) bytes += window.bytes();
        return bytes;
    }

    void store(Pieces pieces, int number, DataOutputSerializer head) throws Exception {
        log.store(pieces, number, head);
        for (Window window : windows) {
            Words.write(window.from, head);
            Words.write(window.middle, head);
        }
    }

    void load(Pieces pieces, int number, DataInputDeserializer head) throws Exception {
        log.load(pieces, number, head);
        for (Window window : windows) window.restore(log, Words.read(head), Words.read(head));
    }
}
