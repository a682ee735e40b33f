package headrace;

import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** The events of one key that windows and lags still need, in order, and the windows over them. */
final class EventLane implements Lane {
    private final LaneSpec spec;
    final Log log;
    private final Window[] windows;
    /** For each lag of time, the position after the newest row that is old enough. */
    private final long[] ago;
    /** Whether the event at hand is the newest row: lags count back from before it. */
    private boolean holdsCurrent;

    EventLane(LaneSpec spec) {
        this.spec = spec;
        log = new Log(spec.columns);
        windows = new Window[spec.windows.length];
        for (int w = 0; w < windows.length; w++) windows[w] = new Window(spec.windows[w]);
        ago = new long[spec.agoMs.length];
    }

    Window window(int index) {
        return windows[index];
    }

    /** Position of the row {@code steps} before the event at hand; may lie before the first. */
    long before(int steps) {
        return log.next - (holdsCurrent ? 1 : 0) - steps;
    }

    /** Position of the newest row that is old enough for a lag of time; may lie before the first. */
    long ago(int index) {
        return ago[index] - 1;
    }

    /** Time windows let go of what lies at or before {@code clock - length}; called before the event is added. */
    @Override
    public void advance(long clock) {
        holdsCurrent = false;
        for (Window window : windows) window.advance(log, clock);
        for (int a = 0; a < ago.length; a++) {
            long bound = clock - spec.agoMs[a];
            while (ago[a] < log.next && log.clock(ago[a]) <= bound) ago[a]++;
        }
        release();
    }

    /** Adds the event at hand if it belongs here. */
    @Override
    public void add(Current current) {
        if (spec.where >= 0 && !current.isTrue(spec.where)) return;
        long nullMask = 0;
        for (int c = 0; c < spec.inputs.length; c++) if (current.isNull[spec.inputs[c]]) nullMask |= 1L << c;
        int row = log.append(current.clockMs, nullMask);
        for (int c = 0; c < spec.inputs.length; c++) {
            int input = spec.inputs[c];
            if (current.isNull[input]) continue;
            if (spec.columns[c] == Kind.TEXT) log.set(row, c, current.texts[input]);
            else log.set(row, c, current.numbers[input]);
        }
        holdsCurrent = true;
        for (Window window : windows) window.added(log);
        release();
    }

    private void release() {
        long keep = log.next - spec.lagRows;
        for (Window window : windows) keep = Math.min(keep, window.from);
        for (long position : ago) keep = Math.min(keep, position - 1);
        log.release(Math.min(keep, log.next));
    }

    @Override
    public long bytes() {
        long bytes = 64 + log.bytes();
        for (Window window : windows) bytes += window.bytes();
        return bytes;
    }

    @Override
    public void store(Pieces pieces, int number, DataOutputSerializer head) throws Exception {
        log.store(pieces, number, head);
        for (Window window : windows) {
            Words.write(window.from, head);
            Words.write(window.middle, head);
        }
        for (long position : ago) Words.write(position, head);
    }

    @Override
    public void load(Pieces pieces, int number, DataInputDeserializer head) throws Exception {
        log.load(pieces, number, head);
        for (Window window : windows) window.restore(log, Words.read(head), Words.read(head));
        for (int a = 0; a < ago.length; a++) ago[a] = Words.read(head);
    }

    @Override
    public void discard(Pieces pieces, int number) throws Exception {
        log.discard(pieces, number);
    }
}
