package headrace;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.zone.ZoneRules;
import org.apache.flink.table.data.StringData;

/** One feature that the kernel computes; expressions over features are SQL, after the kernel. */
final class Feature {
    enum Operation {
        LAG,
        COUNT,
        SUM,
        MEAN,
        STD,
        MIN,
        MAX,
        SINCE_LAST,
        HOUR,
        DAY_OF_WEEK
    }

    private static final long DAY_MS = 86_400_000L;
    final Operation operation;
    final boolean excludeCurrent;
    final int steps;
    private final int column;
    private final Kind kind;
    private final int window;
    private final int slot;
    private final ZoneRules zone;

    private Feature(
            Operation operation, boolean excludeCurrent, int steps, int column, Kind kind, int window, int slot, ZoneRules zone) {
        this.operation = operation;
        this.excludeCurrent = excludeCurrent;
        this.steps = steps;
        this.column = column;
        this.kind = kind;
        this.window = window;
        this.slot = slot;
        this.zone = zone;
    }

    static Feature parse(JsonNode node) {
        ZoneId zone = ZoneId.of(node.path("zone").asText("UTC"));
        return new Feature(
                Operation.valueOf(node.get("operation").asText().toUpperCase(java.util.Locale.ROOT)),
                node.path("exclude_current").asBoolean(false),
                node.path("steps").asInt(0),
                node.path("column").asInt(-1),
                Kind.of(node.path("type").asText("long")),
                node.path("window").asInt(-1),
                node.path("slot").asInt(-1),
                zone.normalized() instanceof ZoneOffset ? null : zone.getRules());
    }

    /** Value at an event whose lane already holds it (or not yet, where the feature excludes it); null is null. */
    Object value(Lane lane, long eventTimeMs, long sinceLastMs) {
        switch (operation) {
            case LAG:
                return lag(lane);
            case SINCE_LAST:
                return sinceLastMs < 0 ? null : (Object) (sinceLastMs / 1000.0);
            case HOUR:
                return Math.floorMod(local(eventTimeMs), DAY_MS) / 3_600_000L;
            case DAY_OF_WEEK:
                // 1970-01-01 was a Thursday; Monday is 1.
                return Math.floorMod(Math.floorDiv(local(eventTimeMs), DAY_MS) + 3, 7L) + 1;
            default:
                return statistic(lane.window(window));
        }
    }

    private long local(long eventTimeMs) {
        if (zone == null) return eventTimeMs;
        return eventTimeMs + zone.getOffset(Instant.ofEpochMilli(eventTimeMs)).getTotalSeconds() * 1000L;
    }

    private Object lag(Lane lane) {
        long position = lane.log.next - 1 - steps;
        if (position < lane.log.first || lane.log.isNull(position, column)) return null;
        return kind == Kind.TEXT ? StringData.fromString(lane.log.text(position, column)) : number(lane.log.number(position, column));
    }

    private Object number(long bits) {
        return kind == Kind.DOUBLE ? (Object) Double.longBitsToDouble(bits) : (Object) bits;
    }

    private Object statistic(Window over) {
        Aggregate aggregate = over.aggregates[slot];
        aggregate.merge(over.from, over.middle);
        switch (operation) {
            case COUNT:
                return (long) aggregate.count;
            case SUM:
                return aggregate.count == 0 ? (Object) 0.0 : (Object) aggregate.sum;
            case MEAN:
                return aggregate.count == 0 ? null : (Object) (aggregate.sum / aggregate.count);
            case STD:
                return aggregate.count == 0 ? null : (Object) aggregate.deviation();
            case MIN:
                return aggregate.count == 0 ? null : number(aggregate.minimum);
            default:
                return aggregate.count == 0 ? null : number(aggregate.maximum);
        }
    }
}
