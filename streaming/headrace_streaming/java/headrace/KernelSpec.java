package headrace;

import java.io.IOException;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/** The specification of a view as the plan writes it, read once. */
final class KernelSpec {
    /** Contract type of the key. */
    final String keyType;

    final long dedupMs;
    final long retainMs;
    /** Whether the events of a key come in the order of their times. */
    final boolean isInEventTime;

    final boolean passesLetters;
    /** Where each input stands among the inputs of all views. */
    final int[] positions;

    /** Types of the inputs; after them come the hours of week, which are not read but computed. */
    final InputType[] types;

    /** Zones of the hours of week that lanes hold beside the inputs. */
    final LocalTime[] hoursOfWeek;

    /** Whether a lane holds an input. */
    final boolean[] isHeld;

    final LaneSpec[] lanes;
    final Feature[] features;

    private KernelSpec(JsonNode root) {
        keyType = root.get("key_type").asText();
        dedupMs = root.get("dedup_ms").asLong();
        retainMs = root.get("retain_ms").asLong();
        isInEventTime = root.get("in_event_time").asBoolean();
        passesLetters = root.get("passes_letters").asBoolean();
        JsonNode inputs = root.get("inputs");
        types = new InputType[inputs.size()];
        positions = new int[types.length];
        for (int i = 0; i < types.length; i++) {
            types[i] = InputType.of(inputs.get(i).get("type").asText());
            positions[i] = inputs.get(i).get("position").asInt();
        }
        JsonNode zones = root.get("hours_of_week");
        hoursOfWeek = new LocalTime[zones.size()];
        for (int i = 0; i < hoursOfWeek.length; i++) hoursOfWeek[i] = new LocalTime(ZoneId.of(zones.get(i).asText()));
        isHeld = new boolean[types.length + hoursOfWeek.length];
        List<LaneSpec> found = new ArrayList<>();
        for (JsonNode lane : root.get("lanes")) found.add(lane(lane));
        lanes = found.toArray(new LaneSpec[0]);
        List<Feature> computed = new ArrayList<>();
        for (JsonNode node : root.get("features")) computed.add(Feature.parse(node));
        features = computed.toArray(new Feature[0]);
    }

    static KernelSpec parse(String text) {
        try {
            return new KernelSpec(new ObjectMapper().readTree(text));
        } catch (IOException e) {
            throw new IllegalArgumentException("the kernel's specification is not JSON: " + text, e);
        }
    }

    private LaneSpec lane(JsonNode node) {
        int[] inputs = numbers(node.get("columns"));
        Kind[] kinds = new Kind[inputs.length];
        for (int c = 0; c < kinds.length; c++) {
            kinds[c] = inputs[c] < types.length ? types[inputs[c]].kind : Kind.LONG;
            isHeld[inputs[c]] = true;
        }
        JsonNode nodes = node.get("windows");
        WindowSpec[] windows = new WindowSpec[nodes.size()];
        for (int w = 0; w < windows.length; w++) windows[w] = window(nodes.get(w), kinds);
        JsonNode ago = node.get("ago_ms");
        long[] agoMs = new long[ago.size()];
        for (int a = 0; a < agoMs.length; a++) agoMs[a] = ago.get(a).asLong();
        return new LaneSpec(
                node.get("where").asInt(),
                inputs,
                kinds,
                windows,
                node.get("lag_rows").asInt(),
                agoMs,
                node.path("resolution_ms").asLong());
    }

    private static WindowSpec window(JsonNode node, Kind[] columns) {
        JsonNode nodes = node.get("parts");
        WindowSpec.PartSpec[] parts = new WindowSpec.PartSpec[nodes.size()];
        for (int p = 0; p < parts.length; p++) {
            JsonNode part = nodes.get(p);
            parts[p] = new WindowSpec.PartSpec(
                    part.get("kind").asText(),
                    part.get("column").asInt(),
                    columns[part.get("column").asInt()],
                    part.path("keeps").asInt(),
                    part.path("by").asInt(-1),
                    part.path("half_life_ms").asLong());
        }
        return new WindowSpec(node.get("ms").asLong(), node.get("rows").asInt(), parts);
    }

    static int[] numbers(JsonNode nodes) {
        int[] numbers = new int[nodes.size()];
        for (int i = 0; i < numbers.length; i++) numbers[i] = nodes.get(i).asInt();
        return numbers;
    }
}
