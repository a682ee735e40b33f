package headrace;

import java.io.IOException;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** Whole numbers in state: seven bits a byte, the sign in the lowest bit, so that small ones are short. */
final class Words {
    private Words() {}

    static void write(long value, DataOutputSerializer out) throws IOException {
        long rest = value << 1 ^ value >> 63;
        while ((rest & ~0x7FL) != 0) {
            out.writeByte((int) (rest & 0x7F | 0x80));
            rest >>>= 7;
        }
        out.writeByte((int) rest);
    }

    static long read(DataInputDeserializer in) throws IOException {
        long rest = 0;
        for (int shift = 0; ; shift += 7) {
            long part = in.readByte();
            rest |= (part & 0x7F) << shift;
            if (part >= 0) return rest >>> 1 ^ -(rest & 1);
        }
    }
}
