package headrace;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.flink.api.common.functions.util.ListCollector;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.record.TimestampType;
import org.apache.flink.table.data.RowData;

/** Prints the limits of a dead letter, then for each refused record of a file, as {@link ReadMany} takes it, the length of its letter's key and the letter. */
public final class DeadLetters {
    public static void main(String[] arguments) throws Exception {
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(Path.of(arguments[0])), 1 << 20));
                PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, "UTF-8")) {
            out.println(DeadLetter.LARGEST_VALUE_BYTES + " " + DeadLetter.LARGEST_KEY_BYTES);
            EventDeserializer deserializer = null;
            List<RowData> rows = new ArrayList<>();
            for (long offset = 0; ; offset++) {
                byte[] spec;
                try {
                    spec = ReadMany.part(in);
                } catch (EOFException e) {
                    break;
                }
                if (spec != null) {
                    deserializer = new EventDeserializer(new String(spec, StandardCharsets.UTF_8));
                    deserializer.open(null);
                }
                byte[] value = ReadMany.part(in), key = ReadMany.part(in), id = ReadMany.part(in);
                ReadMany.part(in);
                RecordHeaders headers = new RecordHeaders();
                if (id != null) headers.add("event_id", id);
                deserializer.deserialize(
                        new ConsumerRecord<>("t", 3, offset, in.readLong(), TimestampType.CREATE_TIME, -1, -1, key, value, headers, Optional.empty()),
                        new ListCollector<>(rows));
            }
            for (RowData row : rows) {
                int keyBytes = row.isNullAt(1) ? -1 : row.getBinary(1).length;
                out.println(keyBytes + " " + new String(row.getBinary(EventDeserializer.LETTER), StandardCharsets.UTF_8));
            }
        }
    }
}
