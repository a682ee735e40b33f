package headrace;

import java.util.Arrays;

/** Numbers that come at the end and go at the beginning, and their sum, without ever subtracting: two stacks. */
final class SumQueue {
    private double[] values = new double[4];
    /** Sums of [i, middle) for each i of the front part. */
    private double[] suffixes = new double[4];

    private int first;
    private int middle;
    private int next;
    private double back;

    int count() {
        return next - first;
    }

    double sum() {
        return first < middle ? suffixes[first] + back : back;
    }

    void add(double value) {
        if (next == values.length) makeRoom();
        values[next++] = value;
        back += value;
    }

    void removeFirst() {
        if (++first > middle) {
            middle = next;
            back = 0;
            double sum = 0;
            if (suffixes.length < values.length) suffixes = new double[values.length];
            for (int i = middle - 1; i >= first; i--) suffixes[i] = sum += values[i];
        }
    }

    private void makeRoom() {
        if (first > values.length / 2) {
            System.arraycopy(values, first, values, 0, next - first);
            if (middle > first) System.arraycopy(suffixes, first, suffixes, 0, middle - first);
            middle = Math.max(0, middle - first);
            next -= first;
            first = 0;
        } else {
            values = Arrays.copyOf(values, values.length * 2);
            suffixes = Arrays.copyOf(suffixes, values.length);
        }
    }

    long bytes() {
        return 48 + values.length * 16L;
    }
}
