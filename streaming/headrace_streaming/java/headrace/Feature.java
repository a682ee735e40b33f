package headrace;

import java.time.ZoneId;
import java.util.Locale;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.table.data.StringData;

/** One column that the kernel computes. */
final class Feature {
    private static final double EARTH_RADIUS_KM = 6371.0088;

    private enum Operation {
        CALENDAR,
        CYCLIC_SIN,
        CYCLIC_COS,
        DISTANCE,
        SINCE_LAST,
        LAG,
        AGO,
        TRAVEL,
        DISTINCT,
        RARITY,
        QUANTILE,
        FIRST,
        LAST,
        GROUP_MEAN,
        COUNT,
        SUM,
        MEAN,
        STD,
        MIN,
        MAX,
        RANGE,
        SKEW,
        SLOPE,
        EWMA
    }

    private final Operation operation;
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
        operation = Operation.valueOf(node.get("operation").asText().toUpperCase(Locale.ROOT));
        excludeCurrent = node.path("exclude_current").asBoolean(false);
        lane = node.path("lane").asInt(-1);
        window = node.path("window").asInt(-1);
        part = node.path("part").asInt(-1);
        steps = node.path("steps").asInt(0);
        ago = node.path("ago").asInt(-1);
        column = node.path("column").asInt(-1);
        input = node.path("input").asInt(-1);
        kind = InputType.of(node.path("type").asText("long")).kind;
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
            case CALENDAR:
                return zone.part(piece, current.eventTimeMs);
            case CYCLIC_SIN:
                return Math.sin(angle(current));
            case CYCLIC_COS:
                return Math.cos(angle(current));
            case DISTANCE:
                return distance(current);
            default:
                if (lanes[lane] instanceof PaneLane) return total(((PaneLane) lanes[lane]).totals(window, column));
                return history((EventLane) lanes[lane], current);
        }
    }

    private double angle(Current current) {
        return 2 * Math.PI * (zone.part(piece, current.eventTimeMs) - origin) / period;
    }

    private Object history(EventLane lane, Current current) {
        switch (operation) {
            case SINCE_LAST: {
                long position = lane.before(1);
                return position < lane.log.first ? null : (Object) ((current.clockMs - lane.log.clock(position)) / 1000.0);
            }
            case LAG:
                return held(lane.log, lane.before(steps));
            case AGO:
                return held(lane.log, lane.ago(ago));
            case TRAVEL:
                return travel(lane, current);
            case DISTINCT:
                return (long) ((Values) lane.window(window).part(part)).different();
            case RARITY:
                return rarity((Values) lane.window(window).part(part), current);
            case QUANTILE:
                return ((Ordered) lane.window(window).part(part)).quantile(numerator, denominator);
            case FIRST:
                return held(lane.log, ((Ends) lane.window(window).part(part)).first());
            case LAST:
                return held(lane.log, ((Ends) lane.window(window).part(part)).last());
            case GROUP_MEAN:
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
        switch (operation) {
            case SKEW:
                return over.whole(part).skewness();
            case SLOPE:
                return over.whole(part).slope();
            case EWMA:
                return over.decayedMean(part, current.clockMs);
            default:
                return total(over.whole(part));
        }
    }

    private Object total(Totals totals) {
        boolean isEmpty = totals.count() == 0;
        switch (operation) {
            case COUNT:
                return totals.count();
            case SUM:
                return isEmpty ? (Object) 0.0 : (Object) totals.sum();
            case MEAN:
                return isEmpty ? null : (Object) (totals.sum() / totals.count());
            case STD:
                return isEmpty ? null : (Object) totals.deviation();
            case MIN:
                return isEmpty ? null : number(totals.minimum());
            case MAX:
                return isEmpty ? null : number(totals.maximum());
            case RANGE:
                return isEmpty ? null : (Object) (real(totals.maximum()) - real(totals.minimum()));
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
    private Object travel(EventLane lane, Current current) {
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
