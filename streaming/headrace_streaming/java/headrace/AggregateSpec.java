package headrace;

/** What an aggregate keeps of which column, and where in a row: the same for all keys of a copy of the kernel. */
final class AggregateSpec {
    static final int COUNT = 0;
    static final int MINIMUM = 1;
    static final int MAXIMUM = 2;

    final int column;
    final boolean isDouble;
    final double halfLifeMs;
    final boolean keepsOnlyCount;
    final boolean keepsSum;
    final boolean keepsMoments;
    final boolean keepsExtremes;
    final boolean keepsCubes;
    final boolean keepsSlope;
    final boolean keepsDecay;
    // Places of the figures in a row; of those that are not kept -1.
    final int sum;
    final int mean;
    final int squares;
    final int cubes;
    final int timeMean;
    final int timeSquares;
    final int timeProducts;
    final int weighted;
    final int weights;
    /** Words of a row. */
    final int width;
    /** The figures of the window that was asked for last: one place for all keys, which stays in the processor's cache. */
    final Whole whole;

    private int next;

    AggregateSpec(int keeps, int column, Kind kind, long halfLifeMs) {
        this.column = column;
        isDouble = kind == Kind.DOUBLE;
        this.halfLifeMs = halfLifeMs;
        keepsOnlyCount = keeps == 0;
        keepsSum = (keeps & WindowSpec.SUM) != 0;
        keepsMoments = (keeps & WindowSpec.MOMENTS) != 0;
        keepsExtremes = (keeps & WindowSpec.EXTREMES) != 0;
        keepsCubes = (keeps & WindowSpec.CUBES) != 0;
        keepsSlope = (keeps & WindowSpec.SLOPE) != 0;
        keepsDecay = (keeps & WindowSpec.DECAY) != 0;
        next = keepsExtremes ? MAXIMUM + 1 : COUNT + 1;
        sum = place(keepsSum);
        mean = place(keepsMoments);
        squares = place(keepsMoments);
        cubes = place(keepsCubes);
        timeMean = place(keepsSlope);
        timeSquares = place(keepsSlope);
        timeProducts = place(keepsSlope);
        weighted = place(keepsDecay);
        weights = place(keepsDecay);
        width = next;
        whole = new Whole(this);
    }

    private int place(boolean isKept) {
        return isKept ? next++ : -1;
    }

    double real(long bits) {
        return isDouble ? Double.longBitsToDouble(bits) : (double) bits;
    }

    boolean less(long a, long b) {
        return isDouble ? Double.longBitsToDouble(a) < Double.longBitsToDouble(b) : a < b;
    }

    /** Share that is left of a weight after some time. */
    double decay(long ms) {
        return Math.pow(2, -ms / halfLifeMs);
    }
}
