package headrace;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** The contract of an event as the plan writes it, read once. */
final class EventSpec {
    private static final Pattern VERSION = Pattern.compile("[1-9][0-9]*");

    final String event;
    final byte[] contract;
    final long maxAheadMs;
    final String futureDetail;
    final int key;
    final int time;
    final Field[] fields;
    /** Positions of the fields that features may read; the others are checked and go no further. */
    final int[] carried;
    final Map<String, Integer> positions = new HashMap<>();
    /** Name of the field that says how far time has come, where it is not the event's time; else null. */
    final String progress;

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
        final int precision;
        final int scale;
        final int minItems;
        final int maxItems;
        /** What stands where the field is absent or null; null: nothing does. */
        final Object absent;

        /** What details call it, and the fields that its values hold: of a list and of a map one, of an object several. */
        final String path;

        final Map<String, Field> inner = new LinkedHashMap<>();
        private final JsonNode texts;

        Field(JsonNode node, String outer) {
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
            precision = node.path("precision").asInt();
            scale = node.path("scale").asInt();
            minItems = node.path("min_items").asInt(0);
            maxItems = node.path("max_items").asInt(Integer.MAX_VALUE);
            absent = node.has("default") ? value(node.get("default")) : null;
            path = outer == null ? name : name.equals("[]") || name.equals("{}") ? outer + name : outer + "." + name;
            for (JsonNode one : node.path("inner")) {
                Field field = new Field(one, path);
                inner.put(field.name, field);
            }
            texts = node.get("texts");
        }

        /** A value of JSON as {@link JsonObject} has it. */
        private static Object value(JsonNode node) {
            if (node.isTextual()) return node.asText();
            if (node.isBoolean()) return node.asBoolean();
            return node.isIntegralNumber() ? (Object) node.asLong() : (Object) node.asDouble();
        }

        boolean isNested() {
            return !inner.isEmpty();
        }

        boolean isCarried() {
            return !isNested() && !type.equals("decimal") && !type.equals("date");
        }

        /** The only field that its values hold. */
        Field only() {
            return inner.values().iterator().next();
        }

        String text(String name) {
            return texts.get(name).asText();
        }
    }

    /** Whether the record says that another version of the contract made it: {@code call/2}, where this one is {@code call/1}. */
    boolean isForeign(byte[] header) {
        if (header == null || Arrays.equals(header, contract)) return false;
        String text = new String(header, StandardCharsets.ISO_8859_1);
        return text.startsWith(event + "/") && VERSION.matcher(text.substring(event.length() + 1)).matches();
    }

    private EventSpec(JsonNode root) {
        event = root.get("event").asText();
        contract = root.get("contract").asText().getBytes(StandardCharsets.ISO_8859_1);
        maxAheadMs = root.get("max_ahead_ms").asLong();
        futureDetail = root.get("from_the_future").asText();
        JsonNode nodes = root.get("fields");
        fields = new Field[nodes.size()];
        for (int i = 0; i < fields.length; i++) {
            fields[i] = new Field(nodes.get(i), null);
            positions.put(fields[i].name, i);
        }
        carried = IntStream.range(0, fields.length).filter(i -> fields[i].isCarried()).toArray();
        key = positions.get(root.get("key").asText());
        time = positions.get(root.get("time").asText());
        progress = root.has("progress") ? root.get("progress").asText() : null;
    }

    static EventSpec parse(String text) {
        try {
            return new EventSpec(new ObjectMapper().readTree(text));
        } catch (IOException e) {
            throw new IllegalArgumentException("the event's specification is not JSON: " + text, e);
        }
    }
}
