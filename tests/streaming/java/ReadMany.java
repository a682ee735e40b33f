package headrace;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.table.data.StringData;

/**
 * Runs the reader of events over a file of records; prints a line of JSON each, [reason, detail] or [null, fields], then its seconds.
 *
 * <p>A record is its contract's specification, or none where it is that of the record before, value, key, event id, contract header
 * and timestamp.
 */
public final class ReadMany {
    public static void main(String[] arguments) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        long nanos = 0;
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(Path.of(arguments[0])), 1 << 20));
                PrintStream out = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false, "UTF-8")) {
            EventSpec spec = null;
            EventReader reader = null;
            StringBuilder lines = new StringBuilder();
            while (true) {
                byte[] contractSpec;
                try {
                    contractSpec = part(in);
                } catch (EOFException e) {
                    break;
                }
                if (contractSpec != null) {
                    spec = EventSpec.parse(new String(contractSpec, StandardCharsets.UTF_8));
                    reader = new EventReader(spec);
                }
                byte[] value = part(in), key = part(in), id = part(in), contract = part(in);
                long timestampMs = in.readLong();
                long began = System.nanoTime();
                boolean accepted = reader.read(value, key, id, timestampMs, () -> contract);
                nanos += System.nanoTime() - began;
                ArrayNode answer = mapper.createArrayNode();
                if (accepted) {
                    ObjectNode fields = answer.addNull().addObject();
                    for (int i = 0; i < spec.fields.length; i++) fields.set(spec.fields[i].name, node(mapper, reader.value(i)));
                } else {
                    answer.add(reader.reason()).add(reader.detail());
                }
                lines.append(mapper.writeValueAsString(answer)).append('\n');
                if (lines.length() > 1 << 20) {
                    out.print(lines);
                    lines.setLength(0);
                }
            }
            out.print(lines);
            out.println(nanos / 1e9);
        }
    }

    static byte[] part(DataInputStream in) throws IOException {
        int size = in.readInt();
        return size < 0 ? null : in.readNBytes(size);
    }

    private static JsonNode node(ObjectMapper mapper, Object value) {
        if (value instanceof StringData) return mapper.getNodeFactory().textNode(value.toString());
        if (value instanceof List) {
            ArrayNode items = mapper.createArrayNode();
            for (Object item : (List<?>) value) items.add(node(mapper, item));
            return items;
        }
        if (value instanceof Map) {
            ObjectNode members = mapper.createObjectNode();
            ((Map<?, ?>) value).forEach((name, one) -> members.set((String) name, node(mapper, one)));
            return members;
        }
        return mapper.valueToTree(value);
    }
}
