package headrace;

/** A window of whole panes as two stacks: every suffix of [from, middle) is merged, and so are the panes from middle on. */
final class PaneWindow {
    private final long lengthMs;
    private final Figures[] back;
    /** By column, of each pane from {@code base} on the figures of it and all later ones before the middle. */
    private Figures[][] suffixes;

    private final Figures[] whole;
    private final boolean[] isDouble;
    long from;
    long middle;
    private long base;

    PaneWindow(long lengthMs, boolean[] isDouble) {
        this.lengthMs = lengthMs;
        this.isDouble = isDouble;
        back = make();
        whole = make();
        suffixes = new Figures[0][];
    }

    private Figures[] make() {
        Figures[] made = new Figures[isDouble.length];
        for (int c = 0; c < made.length; c++) made[c] = new Figures(isDouble[c]);
        return made;
    }

    /** The newest pane of the log was closed. */
    void closed(Log log) {
        for (int c = 0; c < back.length; c++) back[c].add(read(log, log.next - 1, c));
    }

    /** Lets go of the panes that lie before the window of a pane. */
    void advance(Log log, long pane) {
        long to = from;
        while (to < log.next && log.clock(to) <= pane - lengthMs) to++;
        if (to == from) return;
        from = to;
        if (from > middle) turn(log, log.next);
    }

    private void turn(Log log, long to) {
        base = from;
        middle = to;
        int size = (int) (middle - base);
        suffixes = new Figures[size][];
        for (int i = size - 1; i >= 0; i--) {
            suffixes[i] = make();
            for (int c = 0; c < isDouble.length; c++) {
                suffixes[i][c].set(read(log, base + i, c));
                if (i + 1 < size) suffixes[i][c].add(suffixes[i + 1][c]);
            }
        }
        for (Figures figures : back) figures.clear();
    }

    private Figures read(Log log, long position, int column) {
        Figures figures = new Figures(isDouble[column]);
        figures.read(log, position, column * Figures.WIDTH);
        return figures;
    }

    /** The figures of a column with those of the open pane. */
    Totals totals(int column, Figures open) {
        Figures all = whole[column];
        all.clear();
        if (from < middle) all.set(suffixes[(int) (from - base)][column]);
        all.add(back[column]);
        all.add(open);
        return all;
    }

    void restore(Log log, long newFrom, long newMiddle) {
        from = newFrom;
        turn(log, newMiddle);
        for (long p = middle; p < log.next; p++) {
            for (int c = 0; c < back.length; c++) back[c].add(read(log, p, c));
        }
    }

    long bytes() {
        return 200 + (suffixes.length * 80L + 160) * isDouble.length;
    }
}
