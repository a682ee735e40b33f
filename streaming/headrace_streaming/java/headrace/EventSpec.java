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
    final String futureDetail;
    final int key;
    final int time;
    final Field[] fields;
    final Map<String, Integer> positions = new HashMap<>();

    /** One field of the contract; {@code texts} are details that the plan has printed, since no two languages print numbers alike. */
    static final class Field {
        final String name;
        final String type;
        final boolean required;
        final boolean checked;
        final JsonNode minimum;
        final JsonNode maximum;
        final String patternShown;
        final Pattern pattern;
        final int maxLength;
        final Set<Object> values;
        private final JsonNode texts;

        Field(JsonNode node) {
            name = node.get("name").asText();
            type = node.get("type").asText();
            required = node.get("required").asBoolean();
            minimum = node.get("minimum");
            maximum = node.get("maximum");
            patternShown = node.path("pattern").asText();
            // Only a line feed ends a line, as in Python.
            pattern = node.has("pattern") ? Pattern.compile(patternShown, Pattern.UNIX_LINES) : null;
            maxLength = node.path("max_length").asInt(-1);
            values = node.has("values") ? new HashSet<>() : null;
            if (values != null) {
                for (JsonNode value : node.get("values")) values.add(value.isTextual() ? value.asText() : (Object) value.asLong());
            }
            checked = pattern != null || maxLength >= 0 || values != null;
            texts = node.get("texts");
        }

        String text(String name) {
            return texts.get(name).asText();
        }
    }

    private EventSpec(JsonNode root) {
        event = root.get("event").asText();
        maxAheadMs = root.get("max_ahead_ms").asLong();
        futureDetail = root.get("from_the_future").asText();
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
