package headrace;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.data.StringData;

/** Topics and member names of what a view emits, as ready bytes. */
final class EmitSpec {
    final StringData topic;
    final StringData lateEvents;
    final StringData duplicates;
    final StringData deadLetters;
    final byte[] lead;
    final byte[] lateLead;
    final byte[] duplicateLead;
    final byte[][] head;
    final byte[][] ledger;
    final byte[][] features;
    /** For rows in binary; null: they are JSON. */
    final String layout;

    private EmitSpec(JsonNode root) {
        topic = StringData.fromString(root.get("topic").asText());
        lateEvents = StringData.fromString(root.get("late_events").asText());
        duplicates = StringData.fromString(root.get("duplicates").asText());
        deadLetters = StringData.fromString(root.get("dead_letters").asText());
        String origin = "{\"view\":\"" + root.get("view").asText() + "\",\"event\":\"" + root.get("event").asText() + "\"";
        String declaration = "\"declaration\":\"" + root.get("declaration").asText() + "\"";
        lead = bytes("{\"revision\":0," + declaration);
        duplicateLead = bytes(origin + "," + declaration);
        lateLead = bytes(origin + "," + declaration + ",\"order\":\"" + root.get("order").asText() + "\"");
        head = members(
                "event_id",
                root.get("key").asText(),
                "event_time_ms",
                "clock_ms",
                "generation",
                "source_partition",
                "source_offset",
                "ingested_at_ms",
                "emitted_at_ms");
        ledger = members("event_id", "key", "partition", "offset", "event_time_ms", "clock_ms");
        JsonNode names = root.get("features");
        features = new byte[names.size()][];
        for (int i = 0; i < features.length; i++) features[i] = members(names.get(i).asText())[0];
        layout = root.has("layout") ? root.get("layout").asText() : null;
    }

    static EmitSpec parse(String text) {
        try {
            return new EmitSpec(new ObjectMapper().readTree(text));
        } catch (IOException e) {
            throw new IllegalArgumentException("the spec of emit is not JSON: " + text, e);
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[][] members(String... names) {
        byte[][] members = new byte[names.length][];
        for (int i = 0; i < names.length; i++) members[i] = bytes(",\"" + names[i] + "\":");
        return members;
    }
}
