package headrace;

import java.time.ZoneId;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.table.data.StringData;

/** One column that the kernel computes. */
final class Feature {
    private static final double EARTH_RADIUS_KM = 6371.0088;
    private final String operation;
    /** Whether it is computed before the event at hand is added. */
    final boolean excludeCurrent;

    private final int lane;
    private final int window;
    private final int part;
    private final int steps;
    private final int ago;
    private final int column;
    private final int input;
    private final Kind kind;
    private final long numerator;
    private final long denominator;
    private final String piece;
    private final double period;
    private final double origin;
    private final LocalTime zone;
    private final int[] place;

    private Feature(JsonNode node) {
        operation = node.get("operation").asText();
        excludeCurrent = node.path("exclude_current").asBoolean(false);
        lane = node.path("lane").asInt(-1);
        window = node.path("window").asInt(-1);
        part = node.path("part").asInt(-1);
        steps = node.path("steps").asInt(0);
        ago = node.path("ago").asInt(-1);
        column = node.path("column").asInt(-1);
        input = node.path("input").asInt(-1);
        kind = Kind.of(node.path("type").asText("long"));
        numerator = node.path("numerator").asLong();
        denominator = node.path("denominator").asLong(1);
        piece = node.path("piece").asText();
        period = node.path("period").asDouble(1);
        origin = node.path("origin").asDouble(0);
        zone = new LocalTime(ZoneId.of(node.path("zone").asText("UTC")));
        place = new int[node.path("place").size()];
        for (int i = 0; i < place.length; i++) place[i] = node.get("place").get(i).asInt();
    }

    static Feature parse(JsonNode node) {
        return new Feature(node);
    }

    /** Value at the event at hand; null is null. */
    Object value(Lane[] lanes, Current current) {
        switch (operation) {
            case "hour":
            case "calendar":
                return zone.part(piece, current.eventTimeMs);
            case "cyclic_sin":
                return Math.sin(angle(current));
            case "cyclic_cos":
                return Math.cos(angle(current));
            case "distance":
                return distance(current);
            default:
                return history(lanes[lane], current);
        }
    }

    private double angle(Current current) {
        return 2 * Math.PI * (zone.part(piece, current.eventTimeMs) - origin) / period;
    }

    private Object history(Lane lane, Current current) {
        switch (operation) {
            case "since_last": {
                long position = lane.before(1);
                return position < lane.log.first ? null : (Object) ((current.clockMs - lane.log.clock(position)) / 1000.0);
            }
            case "lag":
                return held(lane.log, lane.before(steps));
            case "ago":
                return held(lane.log, lane.ago(ago));
            case "travel":
                return travel(lane, current);
            case "distinct":
                return (long) ((Values) lane.window(window).part(part)).different();
            case "rarity":
                return rarity((Values) lane.window(window).part(part), current);
            case "quantile":
                return ((Ordered) lane.window(window).part(part)).quantile(numerator, denominator);
            case "first":
                return held(lane.log, ((Ends) lane.window(window).part(part)).first());
            case "last":
                return held(lane.log, ((Ends) lane.window(window).part(part)).last());
            case "group_mean":
                return ((Groups) lane.window(window).part(part)).mean(current.numbers[input]);
            default:
                return statistic(lane.window(window), current);
        }
    }

    /** Value of the row at a position; null where there is no such row. */
    private Object held(Log log, long position) {
        if (position < log.first || log.isNull(position, column)) return null;
        return kind == Kind.TEXT ? StringData.fromString(log.text(position, column)) : number(log.number(position, column));
    }

    private Object number(long bits) {
        return kind == Kind.DOUBLE ? (Object) Double.longBitsToDouble(bits) : (Object) bits;
    }

    private double real(long bits) {
        return kind == Kind.DOUBLE ? Double.longBitsToDouble(bits) : (double) bits;
    }

    private Object rarity(Values values, Current current) {
        if (current.isNull[input] || values.total() == 0) return null;
        Object value = kind == Kind.TEXT ? current.texts[input] : (Object) current.numbers[input];
        return (double) values.times(value) / values.total();
    }

    private Object statistic(Window over, Current current) {
        Aggregate aggregate = over.aggregate(part);
        boolean isEmpty = aggregate.count == 0;
        switch (operation) {
            case "count":
                return (long) aggregate.count;
            case "sum":
                return isEmpty ? (Object) 0.0 : (Object) aggregate.sum();
            case "mean":
                return isEmpty ? null : (Object) (aggregate.sum() / aggregate.count);
            case "std":
                return isEmpty ? null : (Object) aggregate.deviation();
            case "min":
                return isEmpty ? null : number(aggregate.minimum);
            case "max":
                return isEmpty ? null : number(aggregate.maximum);
            case "range":
                return isEmpty ? null : (Object) (real(aggregate.maximum) - real(aggregate.minimum));
            case "skew":
                return aggregate.skewness();
            case "slope":
                return aggregate.slope();
            case "ewma":
                return aggregate.decayedMean(over.from, over.middle, current.clockMs);
            default:
                throw new IllegalArgumentException("the kernel does not know the operation '" + operation + "'");
        }
    }

    /** Kilometres between two places of the event. */
    private Object distance(Current current) {
        for (int one : place) if (current.isNull[one]) return null;
        return kilometres(input(current, 0), input(current, 1), input(current, 2), input(current, 3));
    }

    private double input(Current current, int i) {
        return Double.longBitsToDouble(current.numbers[place[i]]);
    }

    /** Kilometres from the place of the event before; the place's columns of the lane stand after its inputs. */
    private Object travel(Lane lane, Current current) {
        long position = lane.before(1);
        if (position < lane.log.first || current.isNull[place[0]] || current.isNull[place[1]]) return null;
        if (lane.log.isNull(position, place[2]) || lane.log.isNull(position, place[3])) return null;
        double latitude = Double.longBitsToDouble(lane.log.number(position, place[2]));
        double longitude = Double.longBitsToDouble(lane.log.number(position, place[3]));
        return kilometres(latitude, longitude, input(current, 0), input(current, 1));
    }

    /** Great-circle distance by the haversine formula (Sinnott, "Virtues of the Haversine", 1984), in kilometres. */
    private static Object kilometres(double latitude, double longitude, double toLatitude, double toLongitude) {
        double south = Math.sin(Math.toRadians(toLatitude - latitude) / 2);
        double east = Math.sin(Math.toRadians(toLongitude - longitude) / 2);
        double a = south * south + Math.cos(Math.toRadians(latitude)) * Math.cos(Math.toRadians(toLatitude)) * east * east;
        double kilometres = 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(a)));
        return Double.isFinite(kilometres) ? kilometres : null;
    }
}
