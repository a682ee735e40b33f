package headrace;

/** What a lane keeps: the kinds of its columns, its windows, and how many rows the lags reach back. */
final class LaneSpec {
    final Kind[] columns;
    final WindowSpec[] windows;
    final int lagRows;

    LaneSpec(Kind[] columns, WindowSpec[] windows, int lagRows) {
        this.columns = columns;
        this.windows = windows;
        this.lagRows = lagRows;
    }
}
