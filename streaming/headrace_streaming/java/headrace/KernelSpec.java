package headrace;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;

/** The specification of a view as the plan writes it, read once. */
final class KernelSpec {
    final long dedupMs;
    final long retainMs;
    final boolean passesLetters;
    final int[] positions;
    final Kind[] inputs;
    final LaneSpec lane;
    final Feature[] features;

    private KernelSpec(
            long dedupMs,
            long retainMs,
            boolean passesLetters,
            int[] positions,
            Kind[] inputs,
            LaneSpec lane,
            Feature[] features) {
        this.dedupMs = dedupMs;
        this.retainMs = retainMs;
        this.passesLetters = passesLetters;
        this.positions = positions;
        this.inputs = inputs;
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
        Kind[] kinds = new Kind[columns.size()];
        for (int i = 0; i < kinds.length; i++) {
            positions[i] = columns.get(i).get("position").asInt();
            kinds[i] = Kind.of(columns.get(i).get("type").asText());
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
                root.get("dedup_ms").asLong(),
                root.get("retain_ms").asLong(),
                root.get("passes_letters").asBoolean(),
                positions,
                kinds,
                new LaneSpec(Arrays.copyOf(kinds, root.get("held").asInt()), windows, lagRows),
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
