package headrace;

/** What a lane keeps: which events, their values, its windows, and how far its lags reach back. */
final class LaneSpec {
    /** Input that must be true for an event to be in the lane; -1: every event is. */
    final int where;
    /** Inputs of the columns. */
    final int[] inputs;

    final Kind[] columns;
    final WindowSpec[] windows;
    final int lagRows;
    /** How long ago the values are that lags of time look for, in milliseconds. */
    final long[] agoMs;

    /** Length of the panes that are kept instead of events; 0: events are kept. */
    final long resolutionMs;

    LaneSpec(int where, int[] inputs, Kind[] columns, WindowSpec[] windows, int lagRows, long[] agoMs, long resolutionMs) {
        this.where = where;
        this.inputs = inputs;
        this.columns = columns;
        this.windows = windows;
        this.lagRows = lagRows;
        this.agoMs = agoMs;
        this.resolutionMs = resolutionMs;
    }
}
