package headrace;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.ConsumerRecord;

/** The JSON of a dead letter, never more than its topic takes; docs/wire-format.md has the form, headrace_lake/letters.py the same in Python. */
final class DeadLetter {
    /** In base 64, and in a letter, more would be too large for the topic. */
    static final int LARGEST_VALUE_BYTES = 700_000;

    /** A key stands in a letter and beside it. */
    static final int LARGEST_KEY_BYTES = 8_192;

    private static final String[] NAMES = {
        "reason", "detail", "event", "topic", "partition", "offset", "record_timestamp_ms", "event_id", "key", "value", "recorded_at_ms"
    };
    private final JsonBuffer buffer = new JsonBuffer();

    byte[] of(String event, EventReader reader, ConsumerRecord<byte[], byte[]> record, byte[] id) {
        byte[] value = record.value() == null ? new byte[0] : record.value();
        boolean isKept = value.length <= LARGEST_VALUE_BYTES;
        Object[] values = {
            reader.reason(),
            reader.detail() + lacking(isKept, keepsKey(record)),
            event,
            record.topic(),
            record.partition(),
            record.offset(),
            record.timestamp() < 0 ? null : record.timestamp(),
            id == null || !EventReader.goodId(id) ? null : new String(id, StandardCharsets.US_ASCII),
            keepsKey(record) ? keyText(record.key()) : null,
            isKept ? Base64.getEncoder().encodeToString(value) : null,
            System.currentTimeMillis()
        };
        buffer.clear();
        for (int i = 0; i < values.length; i++) {
            buffer.raw(((i == 0 ? "{\"" : ",\"") + NAMES[i] + "\":").getBytes(StandardCharsets.UTF_8));
            buffer.value(values[i]);
        }
        return buffer.end();
    }

    /** Whether the letter has the key of the record, and may have it as its own. */
    static boolean keepsKey(ConsumerRecord<byte[], byte[]> record) {
        return record.key() == null || record.key().length <= LARGEST_KEY_BYTES;
    }

    private static String lacking(boolean isValueKept, boolean isKeyKept) {
        if (isValueKept && isKeyKept) return "";
        String lacking = isKeyKept ? "value" : isValueKept ? "key" : "key and value";
        return " (too large to be kept here: the " + lacking + ")";
    }

    /** Bytes that are not UTF-8 stand as {@code \xNN}, as Python writes them. */
    private static String keyText(byte[] key) {
        if (key == null) return null;
        CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
        ByteBuffer in = ByteBuffer.wrap(key);
        CharBuffer out = CharBuffer.allocate(4 * key.length);
        while (true) {
            CoderResult result = decoder.decode(in, out, true);
            if (!result.isError()) break;
            for (int i = 0; i < result.length(); i++) out.put(String.format("\\x%02x", in.get()));
        }
        return out.flip().toString();
    }
}
