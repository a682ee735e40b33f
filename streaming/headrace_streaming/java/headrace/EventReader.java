package headrace;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.flink.table.data.StringData;

/** Checks one record against a contract: fields, or a reason and a detail. Its twin in Python is headrace_ingestion.codec. */
final class EventReader {
    private static final int SHOWN = 80;
    private final EventSpec spec;
    private final JsonObject json;
    private final Object[] values;
    private String reason;
    private String detail;

    EventReader(EventSpec spec) {
        this.spec = spec;
        json = new JsonObject(spec);
        values = new Object[spec.fields.length];
    }

    String reason() {
        return reason;
    }

    String detail() {
        return detail;
    }

    Object value(int field) {
        return values[field];
    }

    long eventTimeMs() {
        return (Long) values[spec.time];
    }

    boolean read(byte[] value, byte[] key, byte[] id, long timestampMs) {
        String problem = json.scan(value);
        if (problem != null) return refuse("not_json", problem);
        if (json.unknown != null) return refuse("unknown_field", "field '" + cut(json.unknown) + "' is not in the contract");
        for (int i = 0; i < spec.fields.length; i++) if (!check(i)) return false;
        if (!keyMatches(key)) return false;
        if (id != null && !goodId(id)) {
            return refuse("wrong_event_id", "the header event_id is not 1 to 128 printable ASCII characters");
        }
        // Kafka writes -1 where a record has no timestamp: then there is nothing to lie ahead of.
        if (timestampMs < 0 || eventTimeMs() - timestampMs <= spec.maxAheadMs) return true;
        return refuse("from_the_future", spec.futureDetail);
    }

    private boolean refuse(String why, String how) {
        reason = why;
        detail = how;
        return false;
    }

    static String cut(String text) {
        return text.codePointCount(0, text.length()) <= SHOWN ? text : text.substring(0, text.offsetByCodePoints(0, SHOWN));
    }

    private boolean check(int i) {
        EventSpec.Field field = spec.fields[i];
        Object value = json.values[i];
        values[i] = null;
        if (value == null || value == JsonObject.NULL) {
            if (!field.required) return true;
            return refuse("missing_field", "field '" + field.name + "' is " + (value == null ? "missing" : "null"));
        }
        switch (field.type) {
            case "string":
                return value instanceof String ? string(i, field, (String) value) : wrongType(field, "string", value);
            case "bool":
                values[i] = value;
                return value instanceof Boolean || wrongType(field, "bool", value);
            case "timestamp":
                return timestamp(i, field, value);
            case "double":
                return value instanceof Number ? real(i, field, (Number) value) : wrongType(field, "double", value);
            default:
                return whole(i, field, value);
        }
    }

    private boolean wrongType(EventSpec.Field field, String expected, Object value) {
        return refuse("wrong_type", "field '" + field.name + "' expects " + expected + ", got " + kind(value));
    }

    private static String kind(Object value) {
        if (value instanceof String) return "string '" + cut((String) value) + "'";
        if (value instanceof Boolean) return "bool";
        if (value instanceof Long || value instanceof BigInteger) return "integer";
        if (value instanceof Double) return "number";
        return value == JsonObject.ARRAY ? "array" : "object";
    }

    private boolean string(int i, EventSpec.Field field, String value) {
        values[i] = StringData.fromString(value);
        if (!field.checked) return true;
        int length = value.codePointCount(0, value.length());
        if (field.maxLength >= 0 && length > field.maxLength) {
            return refuse("too_long", "field '" + field.name + "' expects at most " + field.maxLength + " characters, got " + length);
        }
        if (field.pattern != null && !matches(field, value)) {
            return refuse("pattern", "field '" + field.name + "' expects the pattern " + field.patternShown + ", got '" + cut(value) + "'");
        }
        if (field.values == null || field.values.contains(value)) return true;
        return refuse("not_allowed", field.text("values") + "'" + cut(value) + "'");
    }

    /** A value on which the engine runs out of stack does not match: it must not end the job. */
    private static boolean matches(EventSpec.Field field, String value) {
        try {
            return field.pattern.matcher(value).matches();
        } catch (StackOverflowError e) {
            return false;
        }
    }

    private boolean timestamp(int i, EventSpec.Field field, Object value) {
        long ms = value instanceof String ? Rfc3339.epochMs((String) value) : Rfc3339.NONE;
        if (ms == Rfc3339.NONE) return wrongType(field, "timestamp (RFC 3339 with Z or an offset)", value);
        values[i] = ms;
        if (ms >= 0 && ms <= Rfc3339.LATEST_MS) return true;
        return refuse("out_of_range", "field '" + field.name + "' expects the years 1970 to 9999, got a value outside them");
    }

    private boolean real(int i, EventSpec.Field field, Number number) {
        double value = number.doubleValue() + 0.0;
        values[i] = value;
        if (Double.isInfinite(value)) return refuse("out_of_range", field.text("type_range"));
        if (field.minimum != null && value < field.minimum.doubleValue()) return refuse("out_of_range", field.text("minimum"));
        if (field.maximum != null && value > field.maximum.doubleValue()) return refuse("out_of_range", field.text("maximum"));
        return true;
    }

    private boolean whole(int i, EventSpec.Field field, Object value) {
        if (!(value instanceof Long) && !(value instanceof BigInteger)) return wrongType(field, field.type, value);
        boolean isInt = field.type.equals("int");
        if (value instanceof BigInteger || isInt && (Long) value != ((Long) value).intValue()) {
            return refuse("out_of_range", field.text("type_range"));
        }
        long number = (Long) value;
        values[i] = isInt ? (Object) (int) number : (Object) number;
        BigDecimal exact = BigDecimal.valueOf(number);
        if (field.minimum != null && exact.compareTo(field.minimum.decimalValue()) < 0) return refuse("out_of_range", field.text("minimum"));
        if (field.maximum != null && exact.compareTo(field.maximum.decimalValue()) > 0) return refuse("out_of_range", field.text("maximum"));
        if (field.values == null || field.values.contains(number)) return true;
        return refuse("not_allowed", field.text("values") + number);
    }

    private boolean keyMatches(byte[] key) {
        Object value = values[spec.key];
        byte[] wanted = value instanceof StringData
                ? ((StringData) value).toBytes()
                : value.toString().getBytes(StandardCharsets.US_ASCII);
        if (Arrays.equals(key, wanted)) return true;
        String got = key == null ? "none" : Utf8.isUtf8(key) ? "'" + cut(text(key)) + "'" : "bytes that are not UTF-8";
        return refuse("wrong_key", "the key expects '" + cut(text(wanted)) + "' (field '" + spec.fields[spec.key].name + "'), got " + got);
    }

    private static String text(byte[] utf8) {
        return new String(utf8, StandardCharsets.UTF_8);
    }

    private static boolean goodId(byte[] id) {
        if (id.length == 0 || id.length > 128) return false;
        for (byte c : id) if (c < 0x20 || c > 0x7e) return false;
        return true;
    }
}
