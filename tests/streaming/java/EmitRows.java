package headrace;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.util.Collector;

/** Emits rows {key, event_id, features} with each of some specifications and prints the values of the records in base64; doubles are given as bits. */
public final class EmitRows {
    public static void main(String[] arguments) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        JsonNode root = mapper.readTree(Files.readString(Path.of(arguments[0])));
        ArrayNode answers = mapper.createArrayNode();
        for (JsonNode spec : root.get("specs")) {
            ArrayNode values = answers.addArray();
            Emit emit = new Emit();
            emit.setCollector(new Collector<RowData>() {
                @Override
                public void collect(RowData row) {
                    values.add(Base64.getEncoder().encodeToString(row.getBinary(2)));
                }

                @Override
                public void close() {}
            });
            StringData text = StringData.fromString(spec.toString());
            for (JsonNode row : root.get("rows")) {
                Object[] features = new Object[row.get("features").size()];
                for (int i = 0; i < features.length; i++) features[i] = value(row.get("features").get(i));
                Object key = value(row.get("key"));
                StringData id = StringData.fromString(row.get("event_id").asText());
                emit.eval(text, Kernel.ROW, null, null, key, id, 3, 1L << 40, 1L, 2L, 3L, 0L, 4L, features);
            }
        }
        System.out.println(mapper.writeValueAsString(answers));
    }

    private static Object value(JsonNode node) {
        if (node.isNull()) return null;
        if (node.isBoolean()) return node.booleanValue();
        if (node.isTextual()) return StringData.fromString(node.asText());
        if (node.isObject()) return Double.longBitsToDouble(Long.parseUnsignedLong(node.get("bits").asText(), 16));
        return node.longValue();
    }
}
