package headrace;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.data.StringData;

/** Topics and member names of the records of a view, as ready bytes, and what expressions read. */
final class RecordSpec {
    final StringData topic;
    final StringData lateEvents;
    final StringData duplicates;
    final StringData deadLetters;
    final byte[] lateLead;
    final byte[] duplicateLead;
    final byte[][] ledger;
    /** Places of the kernel's features that a row shows. */
    final int[] shown;
    /** What expressions read; they give further features of a row. */
    final Read[] reads;

    private final JsonNode root;

    /** A column that expressions read: an input of the kernel or one of its features, by its place there. */
    static final class Read {
        final String column;
        final String type;
        final boolean isInput;
        final int place;

        private Read(JsonNode node) {
            column = node.get("column").asText();
            type = node.get("type").asText();
            isInput = node.has("input");
            place = node.get(isInput ? "input" : "feature").asInt();
        }
    }

    private RecordSpec(JsonNode root) {
        this.root = root;
        topic = StringData.fromString(root.get("topic").asText());
        lateEvents = StringData.fromString(root.get("late_events").asText());
        duplicates = StringData.fromString(root.get("duplicates").asText());
        deadLetters = StringData.fromString(root.get("dead_letters").asText());
        String origin = "{\"view\":\"" + root.get("view").asText() + "\",\"event\":\"" + root.get("event").asText() + "\",";
        duplicateLead = bytes(origin + declaration());
        lateLead = bytes(origin + declaration() + ",\"order\":\"" + root.get("order").asText() + "\"");
        ledger = members("event_id", "key", "partition", "offset", "event_time_ms", "clock_ms");
        shown = KernelSpec.numbers(root.get("shown"));
        reads = new Read[root.get("reads").size()];
        for (int i = 0; i < reads.length; i++) reads[i] = new Read(root.get("reads").get(i));
    }

    static RecordSpec parse(String text) {
        try {
            return new RecordSpec(new ObjectMapper().readTree(text));
        } catch (IOException e) {
            throw new IllegalArgumentException("the specification of the records is not JSON: " + text, e);
        }
    }

    /** Whether expressions give further features of a row, which the kernel leaves open for them. */
    boolean isOpen() {
        return root.get("expressions").size() > 0;
    }

    private String declaration() {
        return "\"declaration\":\"" + root.get("declaration").asText() + "\"";
    }

    /** How rows are written; what it returns serves one thread. */
    RowForm form() {
        boolean isTextKey = root.get("key_type").asText().equals("string");
        if (root.has("layout")) return new SlotRow(root.get("layout").asText(), shown.length);
        byte[][] head = members(
                "event_id",
                root.get("key").asText(),
                "event_time_ms",
                "clock_ms",
                "generation",
                "source_partition",
                "source_offset",
                "ingested_at_ms",
                "emitted_at_ms");
        byte[] lead = bytes("{\"revision\":0," + declaration());
        return new JsonRow(lead, head, members(root.get("features")), members(root.get("expressions")), isTextKey);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[][] members(JsonNode names) {
        byte[][] members = new byte[names.size()][];
        for (int i = 0; i < members.length; i++) members[i] = member(names.get(i).asText());
        return members;
    }

    private static byte[][] members(String... names) {
        byte[][] members = new byte[names.length][];
        for (int i = 0; i < names.length; i++) members[i] = member(names[i]);
        return members;
    }

    private static byte[] member(String name) {
        return bytes(",\"" + name + "\":");
    }
}
