package headrace;

import java.io.IOException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** The contract of an event as the plan writes it, read once. */
final class EventSpec {
    final String event;
    final long maxAheadMs;
    final int key;
    final int time;
    final Field[] fields;
    final Map<String, Integer> positions = new HashMap<>();

    /** One field of the contract. */
    static final class Field {
        final String name;
        final String type;
        final boolean required;
        final JsonNode minimum;
        final JsonNode maximum;
        final Pattern pattern;
        final int maxLength;
        final Set<String> values;
        final boolean checked;

        Field(JsonNode node) {
            name = node.get("name").asText();
            type = node.get("type").asText();
            required = node.path("required").asBoolean(true);
            minimum = node.hasNonNull("minimum") ? node.get("minimum") : null;
            maximum = node.hasNonNull("maximum") ? node.get("maximum") : null;
            pattern = node.hasNonNull("pattern") ? Pattern.compile(node.get("pattern").asText()) : null;
            maxLength = node.hasNonNull("max_length") ? node.get("max_length").asInt() : -1;
            values = node.hasNonNull("values") ? new HashSet<>() : null;
            if (values != null) for (JsonNode value : node.get("values")) values.add(value.asText());
            checked = minimum != null || maximum != null || pattern != null || maxLength >= 0 || values != null;
        }
    }

    private EventSpec(JsonNode root) {
        event = root.get("event").asText();
        maxAheadMs = root.get("max_ahead_ms").asLong();
        JsonNode nodes = root.get("fields");
        fields = new Field[nodes.size()];
        for (int i = 0; i < fields.length; i++) {
            fields[i] = new Field(nodes.get(i));
            positions.put(fields[i].name, i);
        }
        key = positions.get(root.get("key").asText());
        time = positions.get(root.get("time").asText());
    }

    static EventSpec parse(String text) {
        try {
            return new EventSpec(new ObjectMapper().readTree(text));
        } catch (IOException e) {
            throw new IllegalArgumentException("the event's specification is not JSON: " + text, e);
        }
    }
}
