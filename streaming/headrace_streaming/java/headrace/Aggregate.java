package headrace;

/**
 * Statistics of one column in one window that can be merged: of every suffix of the front part, and of the back part.
 *
 * <p>Central moments are merged after Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
 * Variances" (1979), the third one and the co-moment with time after Pébay, "Formulas for Robust, One-Pass Parallel Computation of
 * Covariances and Arbitrary-Order Statistical Moments" (2008): stable where sums of powers are not.
 */
final class Aggregate implements Part, Totals {
    private static final long UNSET = Long.MIN_VALUE;
    private final int keeps;
    private final int column;
    private final boolean isDouble;
    private final double halfLifeMs;
    private long base;
    /** A row for each suffix: its count, its extremes where they are kept, and the bits of its figures. One row is one place in memory. */
    private long[] suffixes = new long[0];

    private final int width;
    /** Where in a row a figure stands; -1: it is not kept. */
    private final int[] places = new int[FIGURES];

    // The back part.
    private int backCount;
    private final double[] back = new double[FIGURES];
    private long backMinimum;
    private long backMaximum;
    private long backClock;
    /** Times of the back part count from its first value, those of the front part from its newest: so they are small. */
    private long anchor = UNSET;

    private long frontAnchor = UNSET;
    /** Clock of the newest row of the front part. */
    private long frontClock;

    private boolean isMerged;
    private long mergedFrom;
    // The whole window; after merge().
    private int count;
    private final double[] all = new double[FIGURES];
    private long minimum;
    private long maximum;

    private static final int SUM = 0;
    private static final int MEAN = 1;
    private static final int SQUARES = 2;
    private static final int CUBES = 3;
    private static final int TIME_MEAN = 4;
    private static final int TIME_SQUARES = 5;
    private static final int TIME_PRODUCTS = 6;
    private static final int WEIGHTED = 7;
    private static final int WEIGHTS = 8;
    private static final int FIGURES = 9;
    // Places in the row of a suffix.
    private static final int COUNT = 0;
    private static final int MINIMUM = 1;
    private static final int MAXIMUM = 2;
    /** Which flag asks for a figure. */
    private static final int[] NEEDED_BY = {
        WindowSpec.SUM,
        WindowSpec.MOMENTS,
        WindowSpec.MOMENTS,
        WindowSpec.CUBES,
        WindowSpec.SLOPE,
        WindowSpec.SLOPE,
        WindowSpec.SLOPE,
        WindowSpec.DECAY,
        WindowSpec.DECAY
    };

    Aggregate(int keeps, int column, Kind kind, long halfLifeMs) {
        this.keeps = keeps;
        this.column = column;
        this.isDouble = kind == Kind.DOUBLE;
        this.halfLifeMs = halfLifeMs;
        int next = keeps(WindowSpec.EXTREMES) ? MAXIMUM + 1 : COUNT + 1;
        for (int f = 0; f < FIGURES; f++) places[f] = keeps(NEEDED_BY[f]) ? next++ : -1;
        width = next;
    }

    private boolean keeps(int flag) {
        return (keeps & flag) != 0;
    }

    @Override
    public long bytes() {
        return 300 + suffixes.length * 8L;
    }

    private double real(long bits) {
        return isDouble ? Double.longBitsToDouble(bits) : (double) bits;
    }

    private boolean less(long a, long b) {
        return isDouble ? Double.longBitsToDouble(a) < Double.longBitsToDouble(b) : a < b;
    }

    /** Share that is left of a weight after some time. */
    private double decay(long ms) {
        return Math.pow(2, -ms / halfLifeMs);
    }

    @Override
    public void added(Log log, long position) {
        isMerged = false;
        if (log.isNull(position, column)) return;
        backCount++;
        if (keeps == 0) return;
        long bits = log.number(position, column);
        double x = real(bits);
        long clock = log.clock(position);
        back[SUM] += x;
        if (keeps(WindowSpec.SLOPE)) addTime(clock, x - back[MEAN]);
        if (keeps(WindowSpec.MOMENTS)) addMoments(x);
        if (keeps(WindowSpec.EXTREMES)) {
            if (backCount == 1 || less(bits, backMinimum)) backMinimum = bits;
            if (backCount == 1 || less(backMaximum, bits)) backMaximum = bits;
        }
        if (keeps(WindowSpec.DECAY)) {
            double left = backCount == 1 ? 0 : decay(clock - backClock);
            back[WEIGHTED] = back[WEIGHTED] * left + x;
            back[WEIGHTS] = back[WEIGHTS] * left + 1;
        }
        backClock = clock;
    }

    @Override
    public void removed(Log log, long position) {
        // The suffix that is looked at follows from where the window begins.
    }

    private void addMoments(double x) {
        double n = backCount;
        double delta = x - back[MEAN];
        double step = delta / n;
        double term = delta * step * (n - 1);
        if (keeps(WindowSpec.CUBES)) back[CUBES] += term * step * (n - 2) - 3 * step * back[SQUARES];
        back[MEAN] += step;
        back[SQUARES] += delta * (x - back[MEAN]);
    }

    /** Takes the deviation of the value from the mean of those before it; called before that mean moves. */
    private void addTime(long clock, double deviation) {
        if (anchor == UNSET) anchor = clock;
        double t = (clock - anchor) / 1000.0;
        double n = backCount;
        double delta = t - back[TIME_MEAN];
        back[TIME_MEAN] += delta / n;
        back[TIME_SQUARES] += delta * (t - back[TIME_MEAN]);
        back[TIME_PRODUCTS] += delta * deviation * (n - 1) / n;
    }

    /** Makes every suffix of [from, to) anew and empties the back part. */
    @Override
    public void turned(Log log, long from, long to) {
        base = from;
        int size = (int) (to - from);
        allocate(size);
        clearBack();
        anchor = UNSET;
        frontClock = size == 0 ? 0 : log.clock(to - 1);
        // The suffixes grow from the newest to the oldest with the same steps as the back part grows forward.
        for (int i = size - 1; i >= 0; i--) {
            double weighted = back[WEIGHTED];
            double weights = back[WEIGHTS];
            added(log, from + i);
            if (keeps(WindowSpec.DECAY) && !log.isNull(from + i, column)) {
                // Weights fall with the distance from the newest row of this part.
                double weight = decay(frontClock - log.clock(from + i));
                back[WEIGHTED] = weighted + weight * real(log.number(from + i, column));
                back[WEIGHTS] = weights + weight;
            }
            int row = i * width;
            suffixes[row + COUNT] = backCount;
            for (int f = 0; f < FIGURES; f++) {
                if (places[f] >= 0) suffixes[row + places[f]] = Double.doubleToRawLongBits(back[f]);
            }
            if (keeps(WindowSpec.EXTREMES)) {
                suffixes[row + MINIMUM] = backMinimum;
                suffixes[row + MAXIMUM] = backMaximum;
            }
        }
        clearBack();
        frontAnchor = anchor;
        anchor = UNSET;
    }

    @Override
    public void restore(Log log, long from, long middle) {
        turned(log, from, middle);
        for (long p = middle; p < log.next; p++) added(log, p);
    }

    private void allocate(int size) {
        int rows = suffixes.length / width;
        if (rows < size || rows > 4 * size + 16) suffixes = new long[size * width];
    }

    private double suffix(int row, int figure) {
        return Double.longBitsToDouble(suffixes[row + places[figure]]);
    }

    private void clearBack() {
        isMerged = false;
        backCount = 0;
        java.util.Arrays.fill(back, 0);
    }

    /** Sets the figures to those of [from, the newest event]; several features ask for the same. */
    void merge(long from, long middle) {
        if (isMerged && mergedFrom == from) return;
        isMerged = true;
        mergedFrom = from;
        count = backCount;
        System.arraycopy(back, 0, all, 0, FIGURES);
        minimum = backMinimum;
        maximum = backMaximum;
        if (from >= middle) return;
        int row = (int) (from - base) * width;
        int n = (int) suffixes[row + COUNT];
        if (n == 0) return;
        if (keeps(WindowSpec.SUM)) all[SUM] += suffix(row, SUM);
        if (keeps(WindowSpec.MOMENTS)) mergeMoments(n, row);
        if (keeps(WindowSpec.EXTREMES)) {
            long least = suffixes[row + MINIMUM];
            long most = suffixes[row + MAXIMUM];
            if (count == 0 || less(least, minimum)) minimum = least;
            if (count == 0 || less(maximum, most)) maximum = most;
        }
        count += n;
    }

    private void mergeMoments(int n, int row) {
        double a = count;
        double b = n;
        double total = a + b;
        double delta = suffix(row, MEAN) - all[MEAN];
        if (keeps(WindowSpec.SLOPE)) {
            double apart = anchor == UNSET ? 0 : (frontAnchor - anchor) / 1000.0;
            double time = apart + suffix(row, TIME_MEAN) - all[TIME_MEAN];
            double share = a * b / total;
            all[TIME_PRODUCTS] += suffix(row, TIME_PRODUCTS) + time * delta * share;
            all[TIME_SQUARES] += suffix(row, TIME_SQUARES) + time * time * share;
        }
        if (keeps(WindowSpec.CUBES)) {
            double squares = suffix(row, SQUARES);
            all[CUBES] += suffix(row, CUBES)
                    + delta * delta * delta * a * b * (a - b) / (total * total)
                    + 3 * delta * (a * squares - b * all[SQUARES]) / total;
        }
        all[SQUARES] = count == 0 ? suffix(row, SQUARES) : all[SQUARES] + suffix(row, SQUARES) + delta * delta * (a * b / total);
        all[MEAN] = count == 0 ? suffix(row, MEAN) : all[MEAN] + delta * (b / total);
    }

    @Override
    public long count() {
        return count;
    }

    @Override
    public double sum() {
        return all[SUM];
    }

    @Override
    public long minimum() {
        return minimum;
    }

    @Override
    public long maximum() {
        return maximum;
    }

    @Override
    public double deviation() {
        if (minimum == maximum || !less(minimum, maximum)) return 0.0;
        return Math.max(Math.sqrt(Math.max(all[SQUARES], 0) / count), Double.MIN_VALUE);
    }

    /** Population skewness m3 / m2^1.5; null of fewer than three values or of equal ones. */
    Double skewness() {
        if (count < 3 || minimum == maximum || !less(minimum, maximum)) return null;
        double variance = all[SQUARES] / count;
        double skewness = all[CUBES] / count / (variance * Math.sqrt(variance));
        return Double.isFinite(skewness) ? skewness : null;
    }

    /** Least-squares slope a second of the clock; null where all values have the same clock. */
    Double slope() {
        if (count < 2 || !(all[TIME_SQUARES] > 0)) return null;
        return all[TIME_PRODUCTS] / all[TIME_SQUARES];
    }

    /** Mean whose weights halve with every half-life of age at {@code clock}; null of no values. */
    Double decayedMean(long from, long middle, long clock) {
        if (count == 0) return null;
        // Weights fall on both sides from the newest row of each part, hence none can overflow.
        double left = backCount == 0 ? 0 : decay(clock - backClock);
        double weighted = back[WEIGHTED] * left;
        double weights = back[WEIGHTS] * left;
        if (from < middle) {
            int row = (int) (from - base) * width;
            double front = decay(clock - frontClock);
            weighted += suffix(row, WEIGHTED) * front;
            weights += suffix(row, WEIGHTS) * front;
        }
        return weights == 0 ? null : (Double) (weighted / weights);
    }
}
