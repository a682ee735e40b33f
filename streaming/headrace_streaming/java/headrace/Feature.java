package headrace;

import java.time.ZoneId;
import java.util.Locale;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

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

    /** Sets the value at the event at hand. */
    void evaluate(Lane[] lanes, Current current, Cells cells, int at) {
        switch (operation) {
            case CALENDAR:
                cells.set(at, zone.part(piece, current.eventTimeMs));
                return;
            case CYCLIC_SIN:
                cells.set(at, Math.sin(angle(current)));
                return;
            case CYCLIC_COS:
                cells.set(at, Math.cos(angle(current)));
                return;
            case DISTANCE:
                cells.set(at, distance(current));
                return;
            default:
                if (lanes[lane] instanceof PaneLane) total(((PaneLane) lanes[lane]).totals(window, column), cells, at);
                else history((EventLane) lanes[lane], current, cells, at);
        }
    }

    private double angle(Current current) {
        return 2 * Math.PI * (zone.part(piece, current.eventTimeMs) - origin) / period;
    }

    private void history(EventLane lane, Current current, Cells cells, int at) {
        switch (operation) {
            case SINCE_LAST: {
                long position = lane.before(1);
                if (position < lane.log.first) cells.setNothing(at);
                else cells.set(at, (current.clockMs - lane.log.clock(position)) / 1000.0);
                return;
            }
            case LAG:
                held(lane.log, lane.before(steps), cells, at);
                return;
            case AGO:
                held(lane.log, lane.ago(ago), cells, at);
                return;
            case TRAVEL:
                cells.set(at, travel(lane, current));
                return;
            case DISTINCT:
                cells.set(at, (long) ((Values) lane.window(window).part(part)).different());
                return;
            case RARITY:
                cells.set(at, rarity((Values) lane.window(window).part(part), current));
                return;
            case QUANTILE:
                cells.set(at, ((Ordered) lane.window(window).part(part)).quantile(numerator, denominator));
                return;
            case FIRST:
                held(lane.log, ((Ends) lane.window(window).part(part)).first(), cells, at);
                return;
            case LAST:
                held(lane.log, ((Ends) lane.window(window).part(part)).last(), cells, at);
                return;
            case GROUP_MEAN:
                cells.set(at, ((Groups) lane.window(window).part(part)).mean(current.numbers[input]));
                return;
            default:
                statistic(lane.window(window), current, cells, at);
        }
    }

    /** Sets the value of the row at a position; nothing where there is no such row. */
    private void held(Log log, long position, Cells cells, int at) {
        if (position < log.first || log.isNull(position, column)) cells.setNothing(at);
        else if (kind == Kind.TEXT) cells.set(at, log.text(position, column));
        else number(log.number(position, column), cells, at);
    }

    private void number(long bits, Cells cells, int at) {
        if (kind == Kind.DOUBLE) cells.set(at, Double.longBitsToDouble(bits));
        else cells.set(at, bits);
    }

    private double real(long bits) {
        return kind == Kind.DOUBLE ? Double.longBitsToDouble(bits) : (double) bits;
    }

    private Double rarity(Values values, Current current) {
        if (current.isNull[input] || values.total() == 0) return null;
        Object value = kind == Kind.TEXT ? current.texts[input] : (Object) current.numbers[input];
        return (double) values.times(value) / values.total();
    }

    private void statistic(Window over, Current current, Cells cells, int at) {
        switch (operation) {
            case SKEW:
                cells.set(at, over.whole(part).skewness());
                return;
            case SLOPE:
                cells.set(at, over.whole(part).slope());
                return;
            case EWMA:
                cells.set(at, over.decayedMean(part, current.clockMs));
                return;
            default:
                total(over.whole(part), cells, at);
        }
    }

    private void total(Totals totals, Cells cells, int at) {
        long count = totals.count();
        if (operation == Operation.COUNT) cells.set(at, count);
        else if (count > 0) ofSome(totals, cells, at);
        else if (operation == Operation.SUM) cells.set(at, 0.0);
        else cells.setNothing(at);
    }

    private void ofSome(Totals totals, Cells cells, int at) {
        switch (operation) {
            case SUM:
                cells.set(at, totals.sum());
                return;
            case MEAN:
                cells.set(at, totals.sum() / totals.count());
                return;
            case STD:
                cells.set(at, totals.deviation());
                return;
            case MIN:
                number(totals.minimum(), cells, at);
                return;
            case MAX:
                number(totals.maximum(), cells, at);
                return;
            case RANGE:
                cells.set(at, real(totals.maximum()) - real(totals.minimum()));
                return;
            default:
                throw new IllegalArgumentException("the kernel does not know the operation '" + operation + "'");
        }
    }

    /** Kilometres between two places of the event. */
    private Double distance(Current current) {
        for (int one : place) if (current.isNull[one]) return null;
        return kilometres(input(current, 0), input(current, 1), input(current, 2), input(current, 3));
    }

    private double input(Current current, int i) {
        return Double.longBitsToDouble(current.numbers[place[i]]);
    }

    /** Kilometres from the place of the event before; the place's columns of the lane stand after its inputs. */
    private Double travel(EventLane lane, Current current) {
        long position = lane.before(1);
        if (position < lane.log.first || current.isNull[place[0]] || current.isNull[place[1]]) return null;
        if (lane.log.isNull(position, place[2]) || lane.log.isNull(position, place[3])) return null;
        double latitude = Double.longBitsToDouble(lane.log.number(position, place[2]));
        double longitude = Double.longBitsToDouble(lane.log.number(position, place[3]));
        return kilometres(latitude, longitude, input(current, 0), input(current, 1));
    }

    /** Great-circle distance by the haversine formula (Sinnott, "Virtues of the Haversine", 1984), in kilometres. */
    private static Double kilometres(double latitude, double longitude, double toLatitude, double toLongitude) {
        double south = Math.sin(Math.toRadians(toLatitude - latitude) / 2);
        double east = Math.sin(Math.toRadians(toLongitude - longitude) / 2);
        double a = south * south + Math.cos(Math.toRadians(latitude)) * Math.cos(Math.toRadians(toLatitude)) * east * east;
        double kilometres = 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(a)));
        return Double.isFinite(kilometres) ? kilometres : null;
    }
}
