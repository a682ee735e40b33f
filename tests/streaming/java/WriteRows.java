package headrace;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.table.data.StringData;

/**
 * Writes rows {key, event_id, features, expressions} by each of some specifications of records and prints their values in base64;
 * doubles are given as bits.
 */
public final class WriteRows {
    public static void main(String[] arguments) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        JsonNode root = mapper.readTree(Files.readString(Path.of(arguments[0])));
        ArrayNode answers = mapper.createArrayNode();
        for (JsonNode text : root.get("specs")) {
            ArrayNode values = answers.addArray();
            RecordSpec spec = RecordSpec.parse(text.toString());
            RowForm form = spec.form();
            Completed completed = new Completed();
            for (JsonNode row : root.get("rows")) {
                byte[] value = form.of(head(row), cells(row.get("features")), spec.shown);
                Object[] last = new Object[row.get("expressions").size()];
                for (int i = 0; i < last.length; i++) last[i] = value(row.get("expressions").get(i));
                values.add(Base64.getEncoder().encodeToString(completed.eval(StringData.fromString(text.toString()), true, value, last)));
            }
        }
        System.out.println(mapper.writeValueAsString(answers));
    }

    private static Head head(JsonNode row) {
        Head head = new Head();
        head.eventId = row.get("event_id").asText().getBytes(StandardCharsets.UTF_8);
        head.key = KeySelector.bytes(value(row.get("key")));
        head.partition = 3;
        head.offset = 1L << 40;
        head.eventTimeMs = 1;
        head.ingestedAtMs = 2;
        head.clockMs = 3;
        head.emittedAtMs = 4;
        return head;
    }

    private static Cells cells(JsonNode features) {
        Cells cells = new Cells(features.size());
        for (int i = 0; i < features.size(); i++) {
            JsonNode node = features.get(i);
            if (node.isNull()) cells.setNothing(i);
            else if (node.isTextual()) cells.set(i, node.asText());
            else if (node.isObject()) cells.set(i, real(node));
            else cells.set(i, node.longValue());
        }
        return cells;
    }

    private static Object value(JsonNode node) {
        if (node.isNull()) return null;
        if (node.isBoolean()) return node.booleanValue();
        if (node.isTextual()) return StringData.fromString(node.asText());
        return node.isObject() ? (Object) real(node) : (Object) node.longValue();
    }

    private static double real(JsonNode node) {
        return Double.longBitsToDouble(Long.parseUnsignedLong(node.get("bits").asText(), 16));
    }
}
