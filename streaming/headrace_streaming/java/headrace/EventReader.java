package headrace;

import java.io.IOException;
import java.math.BigInteger;
import java.util.Arrays;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.table.data.StringData;

/** Reads one record against a contract: fields, or a reason and a detail. Its twin in Python is headrace_ingestion.codec. */
final class EventReader {
    private static final Object OTHER = new Object();
    private final EventSpec spec;
    private final JsonFactory json = new JsonFactory();
    private final Object[] raw;
    private final Object[] values;
    private String unknown;
    private String reason;
    private String detail;

    EventReader(EventSpec spec) {
        this.spec = spec;
        raw = new Object[spec.fields.length];
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

    private boolean refuse(String why, String how) {
        reason = why;
        detail = how;
        return false;
    }

    boolean read(byte[] value, byte[] key, byte[] id, long timestampMs) {
        Arrays.fill(raw, null);
        unknown = null;
        if (!scan(value)) return refuse("not_json", "the value is not a JSON object in UTF-8");
        if (unknown != null) return refuse("unknown_field", "field '" + cut(unknown) + "' is not in the contract");
        for (int i = 0; i < spec.fields.length; i++) if (!check(i)) return false;
        if (!keyMatches(key)) return refuse("wrong_key", "the record's key is not the value of field '" + spec.fields[spec.key].name + "'");
        if (id != null && !goodId(id)) return refuse("wrong_event_id", "event_id expects 1 to 128 printable ASCII characters");
        if (eventTimeMs() - timestampMs > spec.maxAheadMs) {
            return refuse("from_the_future", "field '" + spec.fields[spec.time].name + "' lies more than " + spec.maxAheadMs + " ms after the record's timestamp");
        }
        return true;
    }

    static String cut(String text) {
        return text.codePointCount(0, text.length()) <= 80 ? text : text.substring(0, text.offsetByCodePoints(0, 80));
    }

    private boolean scan(byte[] value) {
        if (value == null || !Utf8.isStrict(value)) return false;
        try (JsonParser parser = json.createParser(value)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) return false;
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                Integer position = spec.positions.get(name);
                if (position == null && !Utf8.isWellFormed(name)) return false;
                Object read = token(parser);
                if (read instanceof String && !Utf8.isWellFormed((String) read)) return false;
                if (position != null) raw[position] = read;
                else if (unknown == null) unknown = name;
            }
            return parser.currentToken() == JsonToken.END_OBJECT && parser.nextToken() == null;
        } catch (IOException e) {
            return false;
        }
    }

    private static Object token(JsonParser parser) throws IOException {
        switch (parser.nextToken()) {
            case VALUE_STRING:
                return parser.getText();
            case VALUE_TRUE:
                return Boolean.TRUE;
            case VALUE_FALSE:
                return Boolean.FALSE;
            case VALUE_NULL:
                return null;
            case VALUE_NUMBER_INT:
                if (parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER) return parser.getBigIntegerValue();
                return parser.getLongValue();
            case VALUE_NUMBER_FLOAT:
                return parser.getDoubleValue();
            default:
                skip(parser);
                return OTHER;
        }
    }

    /** Nested values are refused by type later, but their text must be JSON all the same. */
    private static void skip(JsonParser parser) throws IOException {
        int depth = 1;
        while (depth > 0) {
            JsonToken token = parser.nextToken();
            if (token == null) throw new IOException("ends inside a value");
            if (token.isStructStart()) depth++;
            else if (token.isStructEnd()) depth--;
            else if (token == JsonToken.VALUE_STRING && !Utf8.isWellFormed(parser.getText())) throw new IOException("half a surrogate");
        }
    }

    private boolean check(int i) {
        EventSpec.Field field = spec.fields[i];
        Object value = raw[i];
        values[i] = null;
        if (value == null) {
            return !field.required || refuse("missing_field", "field '" + field.name + "' is required");
        }
        switch (field.type) {
            case "string":
                return value instanceof String ? string(i, field, (String) value) : wrongType(field, value);
            case "bool":
                values[i] = value;
                return value instanceof Boolean || wrongType(field, value);
            case "timestamp":
                return value instanceof String ? timestamp(i, field, (String) value) : wrongType(field, value);
            case "double":
                return value instanceof Number ? real(i, field, (Number) value) : wrongType(field, value);
            default:
                return whole(i, field, value);
        }
    }

    private boolean wrongType(EventSpec.Field field, Object value) {
        return refuse("wrong_type", "field '" + field.name + "' expects " + field.type + ", got " + kind(value));
    }

    private static String kind(Object value) {
        if (value instanceof String) return "string";
        if (value instanceof Boolean) return "bool";
        if (value instanceof Long || value instanceof BigInteger) return "integer";
        if (value instanceof Double) return "number";
        return "object or list";
    }

    private boolean string(int i, EventSpec.Field field, String value) {
        values[i] = StringData.fromString(value);
        if (!field.checked) return true;
        if (field.maxLength >= 0 && value.codePointCount(0, value.length()) > field.maxLength) {
            return refuse("too_long", "field '" + field.name + "' expects at most " + field.maxLength + " characters");
        }
        if (field.pattern != null && !field.pattern.matcher(value).matches()) {
            return refuse("pattern", "field '" + field.name + "' expects the pattern " + field.pattern.pattern() + ", got '" + cut(value) + "'");
        }
        if (field.values != null && !field.values.contains(value)) {
            return refuse("not_allowed", "field '" + field.name + "' has no value '" + cut(value) + "'");
        }
        return true;
    }

    private boolean timestamp(int i, EventSpec.Field field, String value) {
        long ms = Rfc3339.epochMs(value);
        if (ms == Rfc3339.NONE) {
            return refuse("wrong_type", "field '" + field.name + "' expects a timestamp, got '" + cut(value) + "'");
        }
        values[i] = ms;
        return true;
    }

    private boolean real(int i, EventSpec.Field field, Number number) {
        double value = number.doubleValue() + 0.0;
        if (Double.isInfinite(value)) return refuse("out_of_range", "field '" + field.name + "' expects a finite number");
        values[i] = value;
        if (field.minimum != null && value < field.minimum.doubleValue()) return below(field);
        if (field.maximum != null && value > field.maximum.doubleValue()) return above(field);
        return true;
    }

    private boolean whole(int i, EventSpec.Field field, Object value) {
        if (!(value instanceof Long) && !(value instanceof BigInteger)) return wrongType(field, value);
        boolean isInt = field.type.equals("int");
        if (value instanceof BigInteger || isInt && (Long) value != ((Long) value).intValue()) {
            return refuse("out_of_range", "field '" + field.name + "' expects an integer of " + (isInt ? 32 : 64) + " bits");
        }
        long number = (Long) value;
        values[i] = isInt ? (Object) (int) number : (Object) number;
        if (field.minimum != null && field.minimum.decimalValue().compareTo(java.math.BigDecimal.valueOf(number)) > 0) return below(field);
        if (field.maximum != null && field.maximum.decimalValue().compareTo(java.math.BigDecimal.valueOf(number)) < 0) return above(field);
        return true;
    }

    private boolean below(EventSpec.Field field) {
        return refuse("out_of_range", "field '" + field.name + "' expects at least " + field.minimum.asText() + ", got a value below it");
    }

    private boolean above(EventSpec.Field field) {
        return refuse("out_of_range", "field '" + field.name + "' expects at most " + field.maximum.asText() + ", got a value above it");
    }

    private boolean keyMatches(byte[] key) {
        Object value = values[spec.key];
        byte[] expected = value instanceof StringData
                ? ((StringData) value).toBytes()
                : value.toString().getBytes(java.nio.charset.StandardCharsets.US_ASCII);
        return Arrays.equals(key, expected);
    }

    private static boolean goodId(byte[] id) {
        if (id.length == 0 || id.length > 128) return false;
        for (byte c : id) if (c < 0x20 || c > 0x7e) return false;
        return true;
    }
}
