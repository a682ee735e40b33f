package headrace;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.table.data.StringData;

/** Runs the reader of events over cases {spec, value, key, event_id (base64), record_timestamp_ms} and prints what it says. */
public final class ParseVectors {
    public static void main(String[] arguments) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        ArrayNode answers = mapper.createArrayNode();
        for (JsonNode one : mapper.readTree(Files.readString(Path.of(arguments[0])))) {
            EventSpec spec = EventSpec.parse(one.get("spec").toString());
            EventReader reader = new EventReader(spec);
            ObjectNode answer = answers.addObject();
            if (reader.read(bytes(one, "value"), bytes(one, "key"), bytes(one, "event_id"), one.get("record_timestamp_ms").asLong())) {
                ObjectNode fields = answer.putObject("fields");
                for (int i = 0; i < spec.fields.length; i++) put(fields, spec.fields[i].name, reader.value(i));
            } else {
                answer.put("reason", reader.reason()).put("detail", reader.detail());
            }
        }
        System.out.println(mapper.writeValueAsString(answers));
    }

    private static byte[] bytes(JsonNode one, String name) {
        return one.hasNonNull(name) ? Base64.getDecoder().decode(one.get(name).asText()) : null;
    }

    private static void put(ObjectNode fields, String name, Object value) {
        if (value == null) fields.putNull(name);
        else if (value instanceof StringData) fields.put(name, value.toString());
        else if (value instanceof Double) fields.put(name, (Double) value);
        else if (value instanceof Boolean) fields.put(name, (Boolean) value);
        else fields.put(name, ((Number) value).longValue());
    }
}
