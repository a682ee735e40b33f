package headrace;

/**
 * The figures of a whole window, merged of its two parts.
 *
 * <p>Central moments are merged after Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
 * Variances" (1979), the third one and the co-moment with time after Pébay, "Formulas for Robust, One-Pass Parallel Computation of
 * Covariances and Arbitrary-Order Statistical Moments" (2008): stable where sums of powers are not.
 */
final class Whole implements Totals {
    private final AggregateSpec spec;
    /** Whose figures these are, and of which first row on; null: nobody's. */
    Object owner;

    long from;

    private long count;
    private double sum;
    private double mean;
    private double squares;
    private double cubes;
    private double timeMean;
    private double timeSquares;
    private double timeProducts;
    private long minimum;
    private long maximum;

    Whole(AggregateSpec spec) {
        this.spec = spec;
    }

    private static double figure(long[] rows, int row, int place) {
        return Double.longBitsToDouble(rows[row + place]);
    }

    /** Takes the figures of a row. */
    void set(long[] rows, int row) {
        count = rows[row + AggregateSpec.COUNT];
        if (spec.keepsSum) sum = figure(rows, row, spec.sum);
        if (spec.keepsMoments) {
            mean = figure(rows, row, spec.mean);
            squares = figure(rows, row, spec.squares);
        }
        if (spec.keepsCubes) cubes = figure(rows, row, spec.cubes);
        if (spec.keepsSlope) {
            timeMean = figure(rows, row, spec.timeMean);
            timeSquares = figure(rows, row, spec.timeSquares);
            timeProducts = figure(rows, row, spec.timeProducts);
        }
        if (spec.keepsExtremes) {
            minimum = rows[row + AggregateSpec.MINIMUM];
            maximum = rows[row + AggregateSpec.MAXIMUM];
        }
    }

    /** Adds the figures of a row whose times count from {@code apart} seconds after those that are here. */
    void add(long[] rows, int row, double apart) {
        int n = (int) rows[row + AggregateSpec.COUNT];
        if (n == 0) return;
        if (spec.keepsSum) sum += figure(rows, row, spec.sum);
        if (spec.keepsMoments) addMoments(n, rows, row, apart);
        if (spec.keepsExtremes) {
            long least = rows[row + AggregateSpec.MINIMUM];
            long most = rows[row + AggregateSpec.MAXIMUM];
            if (count == 0 || spec.less(least, minimum)) minimum = least;
            if (count == 0 || spec.less(maximum, most)) maximum = most;
        }
        count += n;
    }

    private void addMoments(int n, long[] rows, int row, double apart) {
        double a = count;
        double b = n;
        double total = a + b;
        double otherMean = figure(rows, row, spec.mean);
        double otherSquares = figure(rows, row, spec.squares);
        double delta = otherMean - mean;
        if (spec.keepsSlope) {
            double time = apart + figure(rows, row, spec.timeMean) - timeMean;
            double share = a * b / total;
            timeProducts += figure(rows, row, spec.timeProducts) + time * delta * share;
            timeSquares += figure(rows, row, spec.timeSquares) + time * time * share;
        }
        if (spec.keepsCubes) {
            cubes += figure(rows, row, spec.cubes)
                    + delta * delta * delta * a * b * (a - b) / (total * total)
                    + 3 * delta * (a * otherSquares - b * squares) / total;
        }
        squares = count == 0 ? otherSquares : squares + otherSquares + delta * delta * (a * b / total);
        mean = count == 0 ? otherMean : mean + delta * (b / total);
    }

    @Override
    public long count() {
        return count;
    }

    @Override
    public double sum() {
        return sum;
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
        return Totals.deviation(spec.less(minimum, maximum), squares, count);
    }

    /** Population skewness m3 / m2^1.5; null of fewer than three values or of equal ones. */
    Double skewness() {
        if (count < 3 || !spec.less(minimum, maximum)) return null;
        double variance = squares / count;
        double skewness = cubes / count / (variance * Math.sqrt(variance));
        return Double.isFinite(skewness) ? skewness : null;
    }

    /** Least-squares slope a second of the clock; null where all values have the same clock. */
    Double slope() {
        if (count < 2 || !(timeSquares > 0)) return null;
        return timeProducts / timeSquares;
    }
}
