package headrace;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.ConsumerRecord;

/** The JSON of a dead letter, as docs/wire-format.md has it. */
final class DeadLetter {
    private static final String[] NAMES = {
        "reason", "detail", "event", "topic", "partition", "offset", "record_timestamp_ms", "event_id", "key", "value", "recorded_at_ms"
    };
    private final JsonBuffer buffer = new JsonBuffer();

    byte[] of(String event, EventReader reader, ConsumerRecord<byte[], byte[]> record, byte[] id) {
        Object[] values = {
            reader.reason(),
            reader.detail(),
            event,
            record.topic(),
            record.partition(),
            record.offset(),
            record.timestamp(),
            text(id),
            text(record.key()),
            record.value() == null ? null : Base64.getEncoder().encodeToString(record.value()),
            System.currentTimeMillis()
        };
        buffer.clear();
        for (int i = 0; i < values.length; i++) {
            buffer.raw(((i == 0 ? "{\"" : ",\"") + NAMES[i] + "\":").getBytes(StandardCharsets.UTF_8));
            buffer.value(values[i]);
        }
        return buffer.end();
    }

    /** Bytes that are not UTF-8 stand as replacement characters: the record's own bytes are in {@code value}. */
    private static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }
}
