package headrace;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import org.apache.flink.core.memory.DataInputDeserializer;

/**
 * The event ids that were folded into a key within the dedup span of its clock: 24 bytes an id and an index of ints.
 *
 * <p>A UUID stands as its 128 bits; any other id as the first 128 bits of its SHA-256.
 */
final class SeenIds {
    private static final int HIGH = 0;
    private static final int LOW = 1;
    private static final int POSITION = 0x7FFF_FFFF;
    /** Value of a hexadecimal digit by its byte; below zero: it is none. */
    private static final byte[] DIGITS = new byte[256];

    static {
        java.util.Arrays.fill(DIGITS, (byte) -1);
        for (int digit = 0; digit < 16; digit++) DIGITS["0123456789abcdef".charAt(digit)] = (byte) digit;
    }

    /** Fewer ids than this are looked through. */
    private static final int FEW = 16;

    // The halves of an id are bits without order, as those of a double.
    final Log log = new Log(Kind.DOUBLE, Kind.DOUBLE);
    /** Open addressing: the low bits of a position plus one, 0 where empty; those of forgotten ids stay until it is made anew. */
    private int[] index;

    private int used;
    /** Clock of the oldest id, so that most events need not look at it; anything below where it is not known. */
    private long oldest = Long.MIN_VALUE;

    boolean contains(long idHigh, long idLow, long oldestClock) {
        if (index == null) {
            for (long p = log.first; p < log.next; p++) if (matches(p, idHigh, idLow, oldestClock)) return true;
            return false;
        }
        for (int slot = slot(idHigh, idLow); index[slot] != 0; slot = slot + 1 & index.length - 1) {
            long position = log.first + (index[slot] - 1 - (int) log.first & POSITION);
            if (position < log.next && matches(position, idHigh, idLow, oldestClock)) return true;
        }
        return false;
    }

    private boolean matches(long position, long idHigh, long idLow, long oldestClock) {
        return log.number(position, LOW) == idLow && log.number(position, HIGH) == idHigh && log.clock(position) >= oldestClock;
    }

    void add(long idHigh, long idLow, long clock, long oldestClock) {
        if (oldestClock > oldest) forget(oldestClock);
        int row = log.append(clock, 0);
        log.set(row, HIGH, idHigh);
        log.set(row, LOW, idLow);
        if (index == null ? log.size() > FEW : ++used > index.length / 2) rebuild();
        else if (index != null) insert(log.next - 1);
    }

    private void forget(long oldestClock) {
        // Clocks only grow, so the oldest ids stand first.
        long keep = log.first;
        while (keep < log.next && log.clock(keep) < oldestClock) keep++;
        log.release(keep);
        oldest = keep < log.next ? log.clock(keep) : Long.MIN_VALUE;
    }

    private void rebuild() {
        used = log.size();
        index = used <= FEW ? null : new int[Integer.highestOneBit(used) * 8];
        if (index != null) for (long p = log.first; p < log.next; p++) insert(p);
    }

    private void insert(long position) {
        int slot = slot(log.number(position, HIGH), log.number(position, LOW));
        while (index[slot] != 0) slot = slot + 1 & index.length - 1;
        index[slot] = (int) (position & POSITION) + 1;
    }

    private int slot(long idHigh, long idLow) {
        long h = (idHigh * 0x9E3779B97F4A7C15L ^ idLow) * 0xC2B2AE3D27D4EB4FL;
        return (int) (h >>> 32) & index.length - 1;
    }

    long bytes() {
        return log.bytes() + (index == null ? 0 : index.length * 4L);
    }

    void load(Pieces pieces, int number, DataInputDeserializer head) throws Exception {
        log.load(pieces, number, head);
        rebuild();
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
        int wrong = 0;
        for (int i = 0; i < 36; i++) {
            byte c = id[i];
            if (i == 8 || i == 13 || i == 18 || i == 23) {
                if (c != '-') return false;
                continue;
            }
            int digit = DIGITS[c & 0xFF];
            wrong |= digit;
            value = value << 4 | digit;
            if (++digits == 16) to[0] = value;
        }
        to[1] = value;
        return wrong >= 0;
    }
}
