package headrace;

/**
 * The statistics of one column in one window: of every suffix of the front part, and of the back part.
 *
 * <p>Variance is merged as (n, mean, M2) after Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for
 * Computing Sample Variances" (1979): stable where a sum of squares is not.
 */
final class Aggregate {
    private final int keeps;
    private final int column;
    private final boolean isDouble;
    private long base;
    private int[] counts = new int[0];
    private double[] sums;
    private double[] means;
    private double[] squares;
    private long[] minima;
    private long[] maxima;
    // The back part; after merge(), the whole window.
    private int backCount;
    private double backSum;
    private double backMean;
    private double backSquares;
    private long backMinimum;
    private long backMaximum;
    private boolean isMerged;
    private long mergedFrom;
    int count;
    double sum;
    double mean;
    double squared;
    long minimum;
    long maximum;

    Aggregate(int keeps, int column, Kind kind) {
        this.keeps = keeps;
        this.column = column;
        this.isDouble = kind == Kind.DOUBLE;
    }

    long bytes() {
        long arrays = 1 + Integer.bitCount(keeps & ~WindowSpec.SUM) * 2L + (keeps & WindowSpec.SUM);
        return 128 + counts.length * 8 * arrays;
    }

    private double real(long bits) {
        return isDouble ? Double.longBitsToDouble(bits) : (double) bits;
    }

    private boolean less(long a, long b) {
        return isDouble ? Double.longBitsToDouble(a) < Double.longBitsToDouble(b) : a < b;
    }

    void add(Log log, long position) {
        isMerged = false;
        if (log.isNull(position, column)) return;
        backCount++;
        if (keeps == 0) return;
        long bits = log.number(position, column);
        double x = real(bits);
        backSum += x;
        if ((keeps & WindowSpec.MOMENTS) != 0) {
            double delta = x - backMean;
            backMean += delta / backCount;
            backSquares += delta * (x - backMean);
        }
        if ((keeps & WindowSpec.EXTREMES) != 0) {
            if (backCount == 1 || less(bits, backMinimum)) backMinimum = bits;
            if (backCount == 1 || less(backMaximum, bits)) backMaximum = bits;
        }
    }

    /** Makes every suffix of [from, to) anew and empties the back part. */
    void turn(Log log, long from, long to) {
        base = from;
        int size = (int) (to - from);
        allocate(size);
        clearBack();
        // The suffixes grow from the newest to the oldest with the same steps as the back part grows forward.
        for (int i = size - 1; i >= 0; i--) {
            add(log, from + i);
            counts[i] = backCount;
            if ((keeps & WindowSpec.SUM) != 0) sums[i] = backSum;
            if ((keeps & WindowSpec.MOMENTS) != 0) {
                means[i] = backMean;
                squares[i] = backSquares;
            }
            if ((keeps & WindowSpec.EXTREMES) != 0) {
                minima[i] = backMinimum;
                maxima[i] = backMaximum;
            }
        }
        clearBack();
    }

    private void allocate(int size) {
        if (counts.length >= size && counts.length <= 4 * size + 16) return;
        counts = new int[size];
        if ((keeps & WindowSpec.SUM) != 0) sums = new double[size];
        if ((keeps & WindowSpec.MOMENTS) != 0) {
            means = new double[size];
            squares = new double[size];
        }
        if ((keeps & WindowSpec.EXTREMES) != 0) {
            minima = new long[size];
            maxima = new long[size];
        }
    }

    private void clearBack() {
        isMerged = false;
        backCount = 0;
        backSum = 0;
        backMean = 0;
        backSquares = 0;
    }

    /** Sets the public figures to those of [from, the newest event]; several features ask for the same. */
    void merge(long from, long middle) {
        if (isMerged && mergedFrom == from) return;
        isMerged = true;
        mergedFrom = from;
        count = backCount;
        sum = backSum;
        mean = backMean;
        squared = backSquares;
        minimum = backMinimum;
        maximum = backMaximum;
        if (from >= middle) return;
        int i = (int) (from - base);
        int n = counts[i];
        if (n == 0) return;
        if ((keeps & WindowSpec.SUM) != 0) sum += sums[i];
        if ((keeps & WindowSpec.MOMENTS) != 0) mergeMoments(n, means[i], squares[i]);
        if ((keeps & WindowSpec.EXTREMES) != 0) {
            if (count == 0 || less(minima[i], minimum)) minimum = minima[i];
            if (count == 0 || less(maximum, maxima[i])) maximum = maxima[i];
        }
        count += n;
    }

    private void mergeMoments(int n, double otherMean, double otherSquares) {
        double total = (double) count + n;
        double delta = otherMean - mean;
        mean = count == 0 ? otherMean : mean + delta * (n / total);
        squared = count == 0 ? otherSquares : squared + otherSquares + delta * delta * (count * (double) n / total);
    }

    /** Population standard deviation: zero if and only if the smallest value is the largest. */
    double deviation() {
        if (minimum == maximum || !less(minimum, maximum)) return 0.0;
        return Math.max(Math.sqrt(Math.max(squared, 0) / count), Double.MIN_VALUE);
    }
}
