package headrace;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.StreamReadConstraints;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.util.BufferRecycler;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.util.RecyclerPool;

/** Reads a record's value into the fields of a contract; what the JSON is, not yet what it should be. */
final class JsonObject {
    /** Marks of values that are no plain Java objects. */
    static final Object NULL = new Object();

    static final Object ARRAY = new Object();
    static final Object OBJECT = new Object();

    /** As deep as the wire format allows, and as long as a record may be: other limits of the reader are not its own. */
    private static final StreamReadConstraints CONSTRAINTS = StreamReadConstraints.builder()
            .maxNestingDepth(500)
            .maxNumberLength(Integer.MAX_VALUE)
            .maxStringLength(Integer.MAX_VALUE)
            .maxNameLength(Integer.MAX_VALUE)
            .build();

    /** Values by position in the contract; null where absent. The last of equal names counts. */
    final Object[] values;

    /** First name that the contract does not have. */
    String unknown;

    /** The buffers of the parser of the value at hand; the usual pool looks for them in the thread, for each value anew. */
    private static final class OnePlace implements RecyclerPool<BufferRecycler> {
        private static final long serialVersionUID = 1L;
        private transient BufferRecycler free;

        @Override
        public BufferRecycler acquirePooled() {
            BufferRecycler found = free == null ? new BufferRecycler() : free;
            free = null;
            return found;
        }

        @Override
        public void releasePooled(BufferRecycler pooled) {
            free = pooled;
        }
    }

    private final EventSpec spec;
    private final JsonFactory json =
            JsonFactory.builder().streamReadConstraints(CONSTRAINTS).recyclerPool(new OnePlace()).build();

    JsonObject(EventSpec spec) {
        this.spec = spec;
        values = new Object[spec.fields.length];
    }

    /** Returns null, or the detail of what is wrong with the value. */
    String scan(byte[] value) {
        Arrays.fill(values, null);
        unknown = null;
        if (value == null) return "the record has no value";
        if (!Utf8.isUtf8(value)) return "the value is not UTF-8";
        if (!Utf8.isPlain(value)) return "the value is not JSON";
        try (JsonParser parser = json.createParser(value)) {
            JsonToken first = parser.nextToken();
            if (first == null) return "the value is not JSON";
            if (first == JsonToken.START_OBJECT) members(parser);
            else token(parser, first, true, false);
            if (parser.nextToken() != null) return "the value is not JSON";
            return first == JsonToken.START_OBJECT ? null : "the value is not a JSON object";
        } catch (IOException e) {
            return "the value is not JSON";
        }
    }

    private void members(JsonParser parser) throws IOException {
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String name = parser.currentName();
            Integer position = spec.positions.get(name);
            if (position == null) wellFormed(name);
            boolean isNested = position != null && spec.fields[position].isNested();
            Object value = token(parser, parser.nextToken(), position == null, isNested);
            if (position != null) values[position] = value;
            else if (unknown == null) unknown = name;
        }
    }

    /** @param nested Whether lists and objects are read, too, and not only passed over. */
    private static Object token(JsonParser parser, JsonToken token, boolean skipped, boolean nested) throws IOException {
        switch (token) {
            case VALUE_STRING:
                return wellFormed(parser.getText());
            case VALUE_TRUE:
                return Boolean.TRUE;
            case VALUE_FALSE:
                return Boolean.FALSE;
            case VALUE_NULL:
                return NULL;
            case VALUE_NUMBER_INT:
                // The number itself is not looked at where nobody will: it may be of any length.
                if (skipped) return NULL;
                if (parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER) return parser.getBigIntegerValue();
                return parser.getLongValue();
            case VALUE_NUMBER_FLOAT:
                return skipped ? NULL : (Object) parser.getDoubleValue();
            default:
                if (nested) return token == JsonToken.START_ARRAY ? list(parser) : object(parser);
                skip(parser);
                return token == JsonToken.START_ARRAY ? ARRAY : OBJECT;
        }
    }

    private static List<Object> list(JsonParser parser) throws IOException {
        List<Object> found = new ArrayList<>();
        for (JsonToken token = parser.nextToken(); token != JsonToken.END_ARRAY; token = parser.nextToken()) {
            if (token == null) throw new IOException("the text ends inside a list");
            found.add(token(parser, token, false, true));
        }
        return found;
    }

    private static Map<String, Object> object(JsonParser parser) throws IOException {
        Map<String, Object> found = new LinkedHashMap<>();
        for (JsonToken token = parser.nextToken(); token != JsonToken.END_OBJECT; token = parser.nextToken()) {
            if (token == null) throw new IOException("the text ends inside an object");
            String name = wellFormed(parser.currentName());
            found.put(name, token(parser, parser.nextToken(), false, true));
        }
        return found;
    }

    /** Nested values are refused by type later, but their text must be JSON all the same. */
    private static void skip(JsonParser parser) throws IOException {
        for (int depth = 1; depth > 0; ) {
            JsonToken token = parser.nextToken();
            if (token == null) throw new IOException("the text ends inside a value");
            if (token.isStructStart()) depth++;
            else if (token.isStructEnd()) depth--;
            else if (token == JsonToken.FIELD_NAME) wellFormed(parser.currentName());
            else if (token == JsonToken.VALUE_STRING) wellFormed(parser.getText());
        }
    }

    private static String wellFormed(String text) throws IOException {
        if (!Utf8.isWellFormed(text)) throw new IOException("half a surrogate pair");
        return text;
    }
}
