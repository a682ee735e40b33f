package headrace;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.apache.flink.table.data.StringData;

/** Checks one record against a contract: fields, or a reason and a detail. Its twin in Python is headrace_ingestion.codec. */
final class EventReader {
    private static final int SHOWN = 80;
    private final EventSpec spec;
    private final JsonObject json;
    private final Object[] values;
    private Supplier<byte[]> contract;
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

    /**
     * @param contract The header that names the version that the record was made by: of another one, what this one does not name
     *     is left out. It is asked for only where there is such a name, which most records have not.
     */
    boolean read(byte[] value, byte[] key, byte[] id, long timestampMs, Supplier<byte[]> contract) {
        this.contract = contract;
        String problem = json.scan(value);
        if (problem != null) return refuse("not_json", problem);
        if (json.unknown != null && !isForeign()) return unknown(json.unknown);
        for (int i = 0; i < spec.fields.length; i++) if (!check(i)) return false;
        if (!keyMatches(key)) return false;
        if (id != null && !goodId(id)) {
            return refuse("wrong_event_id", "the header event_id is not 1 to 128 printable ASCII characters");
        }
        // Kafka writes -1 where a record has no timestamp: then there is nothing to lie ahead of.
        if (timestampMs < 0 || eventTimeMs() - timestampMs <= spec.maxAheadMs) return true;
        return refuse("from_the_future", spec.futureDetail);
    }

    private boolean isForeign() {
        return spec.isForeign(contract.get());
    }

    private boolean refuse(String why, String how) {
        reason = why;
        detail = how;
        return false;
    }

    static String cut(String text) {
        return text.codePointCount(0, text.length()) <= SHOWN ? text : text.substring(0, text.offsetByCodePoints(0, SHOWN));
    }

    private boolean unknown(String name) {
        return refuse("unknown_field", "field '" + cut(name) + "' is not in the contract");
    }

    private boolean check(int i) {
        EventSpec.Field field = spec.fields[i];
        Object value = json.values[i];
        values[i] = null;
        boolean isAbsent = value == null || value == JsonObject.NULL;
        if (isAbsent && field.absent == null) return !field.required || missing(field.name, value);
        values[i] = accepted(field, isAbsent ? field.absent : value);
        return values[i] != null;
    }

    private boolean missing(String path, Object value) {
        return refuse("missing_field", "field '" + path + "' is " + (value == null ? "missing" : "null"));
    }

    /** Returns the value as the job has it, or null with the reason why there is none. */
    private Object accepted(EventSpec.Field field, Object value) {
        switch (field.type) {
            case "string":
                return value instanceof String ? string(field, (String) value) : wrongType(field, "string", value);
            case "bool":
                return value instanceof Boolean ? value : wrongType(field, "bool", value);
            case "timestamp":
                return timestamp(field, value);
            case "double":
                return value instanceof Number ? real(field, (Number) value) : wrongType(field, "double", value);
            case "decimal":
                return value instanceof String && Decimals.isDecimal((String) value)
                        ? decimal(field, (String) value)
                        : wrongType(field, "decimal (a text such as 12.50)", value);
            case "date":
                return value instanceof String && Rfc3339.isDate((String) value)
                        ? StringData.fromString((String) value)
                        : wrongType(field, "date (YYYY-MM-DD)", value);
            case "list":
                return value instanceof List ? list(field, (List<?>) value) : wrongType(field, "list", value);
            case "map":
                return value instanceof Map ? map(field, (Map<?, ?>) value) : wrongType(field, "map", value);
            case "object":
                return value instanceof Map ? object(field, (Map<?, ?>) value) : wrongType(field, "object", value);
            default:
                return whole(field, value);
        }
    }

    private Object list(EventSpec.Field field, List<?> items) {
        if (items.size() < field.minItems) return no(field, "min_items");
        if (items.size() > field.maxItems) return no(field, "max_items");
        List<Object> found = new ArrayList<>();
        for (Object item : items) if (!inner(field.only(), item, found::add)) return null;
        return found;
    }

    private Object map(EventSpec.Field field, Map<?, ?> entries) {
        Map<Object, Object> found = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : entries.entrySet()) {
            if (!inner(field.only(), entry.getValue(), value -> found.put(entry.getKey(), value))) return null;
        }
        return found;
    }

    private Object object(EventSpec.Field field, Map<?, ?> members) {
        for (Object name : members.keySet()) {
            if (field.inner.containsKey(name)) continue;
            if (isForeign()) break;
            unknown(field.path + "." + name);
            return null;
        }
        Map<Object, Object> found = new LinkedHashMap<>();
        for (EventSpec.Field one : field.inner.values()) {
            if (!inner(one, members.get(one.name), value -> found.put(one.name, value))) return null;
        }
        return found;
    }

    private boolean inner(EventSpec.Field field, Object value, Consumer<Object> keep) {
        boolean isAbsent = value == null || value == JsonObject.NULL;
        if (isAbsent && field.required) return missing(field.path, value);
        Object found = isAbsent ? null : accepted(field, value);
        keep.accept(found);
        return isAbsent || found != null;
    }

    private Object wrongType(EventSpec.Field field, String expected, Object value) {
        refuse("wrong_type", "field '" + field.path + "' expects " + expected + ", got " + kind(value));
        return null;
    }

    private Object no(EventSpec.Field field, String bound) {
        refuse("out_of_range", field.text(bound));
        return null;
    }

    private static String kind(Object value) {
        if (value instanceof String) return "string '" + cut((String) value) + "'";
        if (value instanceof Boolean) return "bool";
        if (value instanceof Long || value instanceof BigInteger) return "integer";
        if (value instanceof Double) return "number";
        return value == JsonObject.ARRAY || value instanceof List ? "array" : "object";
    }

    private Object string(EventSpec.Field field, String value) {
        return !field.checked || isAllowed(field, value) ? StringData.fromString(value) : null;
    }

    private boolean isAllowed(EventSpec.Field field, String value) {
        int length = value.codePointCount(0, value.length());
        if (field.maxLength >= 0 && length > field.maxLength) {
            return refuse("too_long", "field '" + field.path + "' expects at most " + field.maxLength + " characters, got " + length);
        }
        if (field.pattern != null && !matches(field, value)) {
            return refuse("pattern", "field '" + field.path + "' expects the pattern " + field.patternShown + ", got '" + cut(value) + "'");
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

    private Object timestamp(EventSpec.Field field, Object value) {
        long ms = value instanceof String ? Rfc3339.epochMs((String) value) : Rfc3339.NONE;
        if (ms == Rfc3339.NONE) return wrongType(field, "timestamp (RFC 3339 with Z or an offset)", value);
        if (ms >= 0 && ms <= Rfc3339.LATEST_MS) return ms;
        refuse("out_of_range", "field '" + field.path + "' expects the years 1970 to 9999, got a value outside them");
        return null;
    }

    private Object decimal(EventSpec.Field field, String text) {
        String value = Decimals.canonical(text, field.precision, field.scale);
        if (value == null) return no(field, "type_range");
        return inBounds(field, new BigDecimal(value)) ? StringData.fromString(value) : null;
    }

    private Object real(EventSpec.Field field, Number number) {
        double value = number.doubleValue() + 0.0;
        if (Double.isInfinite(value)) return no(field, "type_range");
        if (field.minimum != null && value < field.minimum.doubleValue()) return no(field, "minimum");
        if (field.maximum != null && value > field.maximum.doubleValue()) return no(field, "maximum");
        return value;
    }

    private Object whole(EventSpec.Field field, Object value) {
        if (!(value instanceof Long) && !(value instanceof BigInteger)) return wrongType(field, field.type, value);
        boolean isInt = field.type.equals("int");
        if (value instanceof BigInteger || isInt && (Long) value != ((Long) value).intValue()) return no(field, "type_range");
        long number = (Long) value;
        if (!inBounds(field, BigDecimal.valueOf(number))) return null;
        if (field.values != null && !field.values.contains(number)) {
            refuse("not_allowed", field.text("values") + number);
            return null;
        }
        return isInt ? (Object) (int) number : (Object) number;
    }

    private boolean inBounds(EventSpec.Field field, BigDecimal value) {
        if (field.minimum != null && value.compareTo(field.minimum.decimalValue()) < 0) return refuse("out_of_range", field.text("minimum"));
        if (field.maximum != null && value.compareTo(field.maximum.decimalValue()) > 0) return refuse("out_of_range", field.text("maximum"));
        return true;
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

    static boolean goodId(byte[] id) {
        if (id.length == 0 || id.length > 128) return false;
        for (byte c : id) if (c < 0x20 || c > 0x7e) return false;
        return true;
    }
}
