package headrace;

import java.io.IOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * The event ids that were folded into a key within the dedup span of its clock: 24 bytes an id and an index of ints.
 *
 * <p>A UUID stands as its 128 bits; any other id as the first 128 bits of its SHA-256.
 */
final class SeenIds {
    private long[] high = new long[8];
    private long[] low = new long[8];
    private long[] clocks = new long[8];
    private int[] index;
    private long first;
    private long next;
    private int stale;

    SeenIds copy() {
        SeenIds copy = new SeenIds();
        copy.high = high.clone();
        copy.low = low.clone();
        copy.clocks = clocks.clone();
        copy.index = index == null ? null : index.clone();
        copy.first = first;
        copy.next = next;
        copy.stale = stale;
        return copy;
    }

    boolean contains(long idHigh, long idLow, long oldestClock) {
        if (index == null) {
            for (long p = first; p < next; p++) if (matches(p, idHigh, idLow, oldestClock)) return true;
            return false;
        }
        for (int slot = slot(idHigh, idLow); index[slot] != 0; slot = slot + 1 & index.length - 1) {
            long position = first + (index[slot] - 1 - (int) first & high.length - 1);
            if (matches(position, idHigh, idLow, oldestClock)) return true;
        }
        return false;
    }

    private boolean matches(long position, long idHigh, long idLow, long oldestClock) {
        int i = at(position);
        return high[i] == idHigh && low[i] == idLow && clocks[i] >= oldestClock;
    }

    void add(long idHigh, long idLow, long clock, long oldestClock) {
        forget(oldestClock);
        if (next - first == high.length) resize(high.length * 2);
        int i = at(next);
        high[i] = idHigh;
        low[i] = idLow;
        clocks[i] = clock;
        next++;
        if (index != null) insert(next - 1);
        else if (next - first > 16) rebuild();
    }

    /** Clocks only grow, so the oldest ids stand first. The index is made anew when half of it would be stale. */
    private void forget(long oldestClock) {
        long before = first;
        while (first < next && clocks[at(first)] < oldestClock) first++;
        if (first == before) return;
        if (high.length > 64 && next - first < high.length / 8) resize(high.length / 4);
        else if (index != null) rebuildWhenStale(before);
    }

    private void rebuildWhenStale(long before) {
        stale += (int) (first - before);
        if (stale > high.length / 2) rebuild();
        else for (long p = before; p < first; p++) blank(p);
    }

    /** A forgotten id keeps its slot, so that probing goes on past it, but can no longer match. */
    private void blank(long position) {
        clocks[at(position)] = Long.MIN_VALUE;
    }

    private void resize(int capacity) {
        long[] newHigh = new long[capacity];
        long[] newLow = new long[capacity];
        long[] newClocks = new long[capacity];
        for (long p = first; p < next; p++) {
            int to = (int) p & capacity - 1;
            newHigh[to] = high[at(p)];
            newLow[to] = low[at(p)];
            newClocks[to] = clocks[at(p)];
        }
        high = newHigh;
        low = newLow;
        clocks = newClocks;
        if (next - first > 16) rebuild();
        else index = null;
    }

    private void rebuild() {
        index = new int[high.length * 4];
        stale = 0;
        for (long p = first; p < next; p++) insert(p);
    }

    private void insert(long position) {
        int i = at(position);
        int slot = slot(high[i], low[i]);
        while (index[slot] != 0 && index[slot] != i + 1) slot = slot + 1 & index.length - 1;
        index[slot] = i + 1;
    }

    private int at(long position) {
        return (int) position & high.length - 1;
    }

    private int slot(long idHigh, long idLow) {
        long h = (idHigh * 0x9E3779B97F4A7C15L ^ idLow) * 0xC2B2AE3D27D4EB4FL;
        return (int) (h >>> 32) & index.length - 1;
    }

    void write(DataOutputView out) throws IOException {
        out.writeInt((int) (next - first));
        for (long p = first; p < next; p++) {
            int i = at(p);
            out.writeLong(high[i]);
            out.writeLong(low[i]);
            out.writeLong(clocks[i]);
        }
    }

    static SeenIds read(DataInputView in) throws IOException {
        SeenIds ids = new SeenIds();
        int size = in.readInt();
        int capacity = 8;
        while (capacity < size) capacity *= 2;
        ids.resize(capacity);
        for (int i = 0; i < size; i++) {
            ids.high[i] = in.readLong();
            ids.low[i] = in.readLong();
            ids.clocks[i] = in.readLong();
            ids.next++;
        }
        if (size > 16) ids.rebuild();
        return ids;
    }

    /** Puts the 128 bits of an id into {@code to}. */
    static void bits(byte[] id, long[] to) {
        if (id.length == 36 && uuid(id, to)) return;
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(id);
            to[0] = java.nio.ByteBuffer.wrap(digest).getLong(0);
            to[1] = java.nio.ByteBuffer.wrap(digest).getLong(8);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-256", e);
        }
    }

    private static boolean uuid(byte[] id, long[] to) {
        long value = 0;
        int digits = 0;
        for (int i = 0; i < 36; i++) {
            byte c = id[i];
            if (i == 8 || i == 13 || i == 18 || i == 23) {
                if (c != '-') return false;
                continue;
            }
            int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
            if (digit < 0) return false;
            value = value << 4 | digit;
            if (++digits == 16) to[0] = value;
        }
        to[1] = value;
        return true;
    }
}
