package headrace;

/**
 * Statistics of one column in one window that can be merged: of every suffix of the front part, and of the back part.
 *
 * <p>All figures stand in one array, a row after the other, so that an event touches few places in memory: at 5,000 keys it is
 * memory that an event waits for.
 */
final class Aggregate implements Part {
    private static final long UNSET = Long.MIN_VALUE;
    /** The back part's row; that of the suffix from {@code base + i} is row {@code 1 + i}. */
    private static final int BACK = 0;

    private final AggregateSpec spec;
    private long[] rows;
    private long base;
    private long backClock;
    /** Times of the back part count from its first value, those of the front part from its newest: so they are small. */
    private long anchor = UNSET;

    private long frontAnchor = UNSET;
    /** Clock of the newest row of the front part. */
    private long frontClock;

    Aggregate(AggregateSpec spec) {
        this.spec = spec;
        rows = new long[spec.width];
    }

    @Override
    public long bytes() {
        return 96 + rows.length * 8L;
    }

    private double back(int place) {
        return Double.longBitsToDouble(rows[BACK + place]);
    }

    private void setBack(int place, double figure) {
        rows[BACK + place] = Double.doubleToRawLongBits(figure);
    }

    @Override
    public void added(Log log, long position) {
        spec.whole.owner = null;
        if (log.isNull(position, spec.column)) return;
        long n = ++rows[BACK + AggregateSpec.COUNT];
        if (spec.keepsOnlyCount) return;
        long bits = log.number(position, spec.column);
        double x = spec.real(bits);
        long clock = log.clock(position);
        if (spec.keepsSum) setBack(spec.sum, back(spec.sum) + x);
        if (spec.keepsSlope) addTime(n, clock, x - back(spec.mean));
        if (spec.keepsMoments) addMoments(n, x);
        if (spec.keepsExtremes) {
            if (n == 1 || spec.less(bits, rows[BACK + AggregateSpec.MINIMUM])) rows[BACK + AggregateSpec.MINIMUM] = bits;
            if (n == 1 || spec.less(rows[BACK + AggregateSpec.MAXIMUM], bits)) rows[BACK + AggregateSpec.MAXIMUM] = bits;
        }
        if (spec.keepsDecay) {
            double left = n == 1 ? 0 : spec.decay(clock - backClock);
            setBack(spec.weighted, back(spec.weighted) * left + x);
            setBack(spec.weights, back(spec.weights) * left + 1);
        }
        backClock = clock;
    }

    @Override
    public void removed(Log log, long position) {
        // The suffix that is looked at follows from where the window begins.
    }

    private void addMoments(double n, double x) {
        double mean = back(spec.mean);
        double squares = back(spec.squares);
        double delta = x - mean;
        double step = delta / n;
        double term = delta * step * (n - 1);
        if (spec.keepsCubes) setBack(spec.cubes, back(spec.cubes) + (term * step * (n - 2) - 3 * step * squares));
        mean += step;
        setBack(spec.mean, mean);
        setBack(spec.squares, squares + delta * (x - mean));
    }

    /** Takes the deviation of the value from the mean of those before it; called before that mean moves. */
    private void addTime(double n, long clock, double deviation) {
        if (anchor == UNSET) anchor = clock;
        double t = (clock - anchor) / 1000.0;
        double delta = t - back(spec.timeMean);
        double mean = back(spec.timeMean) + delta / n;
        setBack(spec.timeMean, mean);
        setBack(spec.timeSquares, back(spec.timeSquares) + delta * (t - mean));
        setBack(spec.timeProducts, back(spec.timeProducts) + delta * deviation * (n - 1) / n);
    }

    /** Makes every suffix of [from, to) anew and empties the back part. */
    @Override
    public void turned(Log log, long from, long to) {
        base = from;
        int size = (int) (to - from);
        allocate(size);
        clearBack();
        frontClock = size == 0 ? 0 : log.clock(to - 1);
        // The suffixes grow from the newest to the oldest with the same steps as the back part grows forward.
        for (int i = size - 1; i >= 0; i--) {
            double weighted = spec.keepsDecay ? back(spec.weighted) : 0;
            double weights = spec.keepsDecay ? back(spec.weights) : 0;
            added(log, from + i);
            if (spec.keepsDecay && !log.isNull(from + i, spec.column)) {
                // Weights fall with the distance from the newest row of this part.
                double weight = spec.decay(frontClock - log.clock(from + i));
                setBack(spec.weighted, weighted + weight * spec.real(log.number(from + i, spec.column)));
                setBack(spec.weights, weights + weight);
            }
            System.arraycopy(rows, BACK, rows, suffix(from + i), spec.width);
        }
        frontAnchor = anchor;
        clearBack();
    }

    private int suffix(long position) {
        return (int) (position - base + 1) * spec.width;
    }

    private void allocate(int size) {
        int room = rows.length / spec.width - 1;
        if (room < size || room > 4 * size + 16) rows = new long[(size + 1) * spec.width];
    }

    private void clearBack() {
        spec.whole.owner = null;
        anchor = UNSET;
        java.util.Arrays.fill(rows, BACK, BACK + spec.width, 0);
    }

    @Override
    public void restore(Log log, long from, long middle) {
        turned(log, from, middle);
        for (long p = middle; p < log.next; p++) added(log, p);
    }

    /** Figures of [from, the newest event], until the next are asked for; several features ask for the same. */
    Whole whole(long from, long middle) {
        Whole whole = spec.whole;
        if (whole.owner == this && whole.from == from) return whole;
        whole.owner = this;
        whole.from = from;
        whole.set(rows, BACK);
        if (from < middle) whole.add(rows, suffix(from), anchor == UNSET ? 0 : (frontAnchor - anchor) / 1000.0);
        return whole;
    }

    /** Mean whose weights halve with every half-life of age at {@code clock}; null of no values. */
    Double decayedMean(long from, long middle, long clock) {
        if (whole(from, middle).count() == 0) return null;
        // Weights fall on both sides from the newest row of each part, hence none can overflow.
        double left = rows[BACK + AggregateSpec.COUNT] == 0 ? 0 : spec.decay(clock - backClock);
        double weighted = back(spec.weighted) * left;
        double weights = back(spec.weights) * left;
        if (from < middle) {
            double front = spec.decay(clock - frontClock);
            weighted += Double.longBitsToDouble(rows[suffix(from) + spec.weighted]) * front;
            weights += Double.longBitsToDouble(rows[suffix(from) + spec.weights]) * front;
        }
        return weights == 0 ? null : (Double) (weighted / weights);
    }
}
