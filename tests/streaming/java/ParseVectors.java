package headrace;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.table.data.StringData;

/** Runs the reader of events over cases {spec, value, key, event_id, contract (base64), record_timestamp_ms} and prints what it says. */
public final class ParseVectors {
    public static void main(String[] arguments) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        ArrayNode answers = mapper.createArrayNode();
        for (JsonNode one : mapper.readTree(Files.readString(Path.of(arguments[0])))) {
            EventSpec spec = EventSpec.parse(one.get("spec").toString());
            EventReader reader = new EventReader(spec);
            ObjectNode answer = answers.addObject();
            boolean isForeign = spec.isForeign(bytes(one, "contract"));
            long timestampMs = one.get("record_timestamp_ms").asLong();
            if (reader.read(bytes(one, "value"), bytes(one, "key"), bytes(one, "event_id"), timestampMs, isForeign)) {
                ObjectNode fields = answer.putObject("fields");
                for (int i = 0; i < spec.fields.length; i++) fields.set(spec.fields[i].name, node(mapper, reader.value(i)));
            } else {
                answer.put("reason", reader.reason()).put("detail", reader.detail());
            }
        }
        System.out.println(mapper.writeValueAsString(answers));
    }

    private static byte[] bytes(JsonNode one, String name) {
        return one.hasNonNull(name) ? Base64.getDecoder().decode(one.get(name).asText()) : null;
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
