package headrace;

import java.io.IOException;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/**
 * Count, sum, moments and extremes of some values, to which others can be added.
 *
 * <p>Moments are merged after Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances"
 * (1979).
 */
final class Figures implements Totals {
    /** Columns of a log that hold them. */
    static final int WIDTH = 6;

    private final boolean isDouble;
    private long count;
    private double sum;
    private double mean;
    private double squares;
    private long minimum;
    private long maximum;

    Figures(boolean isDouble) {
        this.isDouble = isDouble;
    }

    static Kind[] kinds(boolean isDouble) {
        Kind own = isDouble ? Kind.DOUBLE : Kind.LONG;
        return new Kind[] {Kind.LONG, Kind.DOUBLE, Kind.DOUBLE, Kind.DOUBLE, own, own};
    }

    void clear() {
        count = 0;
        sum = mean = squares = 0;
        minimum = maximum = 0;
    }

    boolean isEmpty() {
        return count == 0;
    }

    /** Counts a value of which nothing else is known, such as a text. */
    void count1() {
        count++;
    }

    void add(long bits) {
        double x = isDouble ? Double.longBitsToDouble(bits) : (double) bits;
        if (count == 0 || less(bits, minimum)) minimum = bits;
        if (count == 0 || less(maximum, bits)) maximum = bits;
        count++;
        sum += x;
        double delta = x - mean;
        mean += delta / count;
        squares += delta * (x - mean);
    }

    void add(Figures other) {
        if (other.count == 0) return;
        if (count == 0) {
            set(other);
            return;
        }
        double total = (double) count + other.count;
        double delta = other.mean - mean;
        squares += other.squares + delta * delta * (count * (double) other.count / total);
        mean += delta * (other.count / total);
        sum += other.sum;
        if (less(other.minimum, minimum)) minimum = other.minimum;
        if (less(maximum, other.maximum)) maximum = other.maximum;
        count += other.count;
    }

    void set(Figures other) {
        count = other.count;
        sum = other.sum;
        mean = other.mean;
        squares = other.squares;
        minimum = other.minimum;
        maximum = other.maximum;
    }

    /** Writes them into a row of a log, from a column on. */
    void write(Log log, int row, int column) {
        log.set(row, column, count);
        log.set(row, column + 1, Double.doubleToRawLongBits(sum));
        log.set(row, column + 2, Double.doubleToRawLongBits(mean));
        log.set(row, column + 3, Double.doubleToRawLongBits(squares));
        log.set(row, column + 4, minimum);
        log.set(row, column + 5, maximum);
    }

    void read(Log log, long position, int column) {
        count = log.number(position, column);
        sum = Double.longBitsToDouble(log.number(position, column + 1));
        mean = Double.longBitsToDouble(log.number(position, column + 2));
        squares = Double.longBitsToDouble(log.number(position, column + 3));
        minimum = log.number(position, column + 4);
        maximum = log.number(position, column + 5);
    }

    void store(DataOutputSerializer out) throws IOException {
        Words.write(count, out);
        out.writeDouble(sum);
        out.writeDouble(mean);
        out.writeDouble(squares);
        out.writeLong(minimum);
        out.writeLong(maximum);
    }

    void load(DataInputDeserializer in) throws IOException {
        count = Words.read(in);
        sum = in.readDouble();
        mean = in.readDouble();
        squares = in.readDouble();
        minimum = in.readLong();
        maximum = in.readLong();
    }

    private boolean less(long a, long b) {
        return isDouble ? Double.longBitsToDouble(a) < Double.longBitsToDouble(b) : a < b;
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
    public double deviation() {
        return Totals.deviation(less(minimum, maximum), squares, count);
    }

    @Override
    public long minimum() {
        return minimum;
    }

    @Override
    public long maximum() {
        return maximum;
    }
}
