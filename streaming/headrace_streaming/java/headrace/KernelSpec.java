package headrace;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/** The specification of a view as the plan writes it, read once. */
final class KernelSpec {
    /** Contract type of the key. */
    final String keyType;

    final long dedupMs;
    final long retainMs;
    final boolean passesLetters;
    /** Where each input stands among the inputs of all views. */
    final int[] positions;

    /** Contract types of the inputs; those that the lane holds come first. */
    final String[] types;
    final LaneSpec lane;
    final Feature[] features;

    private KernelSpec(
            String keyType,
            long dedupMs,
            long retainMs,
            boolean passesLetters,
            int[] positions,
            String[] types,
            LaneSpec lane,
            Feature[] features) {
        this.keyType = keyType;
        this.dedupMs = dedupMs;
        this.retainMs = retainMs;
        this.passesLetters = passesLetters;
        this.positions = positions;
        this.types = types;
        this.lane = lane;
        this.features = features;
    }

    static KernelSpec parse(String text) {
        try {
            return read(new ObjectMapper().readTree(text));
        } catch (IOException e) {
            throw new IllegalArgumentException("the kernel's specification is not JSON: " + text, e);
        }
    }

    private static KernelSpec read(JsonNode root) {
        JsonNode columns = root.get("inputs");
        int[] positions = new int[columns.size()];
        String[] types = new String[columns.size()];
        Kind[] held = new Kind[root.get("held").asInt()];
        for (int i = 0; i < types.length; i++) {
            positions[i] = columns.get(i).get("position").asInt();
            types[i] = columns.get(i).get("type").asText();
            if (i < held.length) held[i] = Kind.of(types[i]);
        }
        JsonNode windowNodes = root.get("windows");
        WindowSpec[] windows = new WindowSpec[windowNodes.size()];
        for (int w = 0; w < windows.length; w++) windows[w] = window(windowNodes.get(w));
        List<Feature> features = new ArrayList<>();
        int lagRows = 0;
        for (JsonNode node : root.get("features")) {
            Feature feature = Feature.parse(node);
            lagRows = Math.max(lagRows, feature.steps);
            features.add(feature);
        }
        return new KernelSpec(
                root.get("key_type").asText(),
                root.get("dedup_ms").asLong(),
                root.get("retain_ms").asLong(),
                root.get("passes_letters").asBoolean(),
                positions,
                types,
                new LaneSpec(held, windows, lagRows),
                features.toArray(new Feature[0]));
    }

    private static WindowSpec window(JsonNode node) {
        TreeMap<Integer, Integer> keeps = new TreeMap<>();
        for (JsonNode column : node.get("columns")) keeps.put(column.get(0).asInt(), column.get(1).asInt());
        int[] columns = keeps.keySet().stream().mapToInt(Integer::intValue).toArray();
        int[] flags = keeps.values().stream().mapToInt(Integer::intValue).toArray();
        return new WindowSpec(node.get("ms").asLong(), node.get("rows").asInt(), columns, flags);
    }
}
