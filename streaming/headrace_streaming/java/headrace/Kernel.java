package headrace;

import java.nio.charset.StandardCharsets;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;

/**
 * One view's rows, an event at a time.
 *
 * <p>Input columns, in this order: the key, record_key, letter, event_id, source_partition, source_offset, event_time_ms,
 * ingested_at_ms, then the inputs of all views of the job; of events in the order of their times also the watermark that had passed
 * a late one, or null. Output: the key, {@code outcome} (0 a row, 1 a row of a late event, 2 a
 * duplicate, 3 a dead letter that only passes through, 4 a late event without a row), record_key, letter, event_id, source_partition, source_offset,
 * event_time_ms, ingested_at_ms, clock_ms, generation, emitted_at_ms, the view's inputs and its features.
 */
final class Kernel {
    static final int ROW = 0;
    static final int LATE_ROW = 1;
    static final int DUPLICATE = 2;
    static final int LETTER = 3;
    static final int LATE = 4;
    static final int IN_RECORD_KEY = 1;
    static final int IN_LETTER = 2;
    private static final int IN_EVENT_ID = 3;
    static final int IN_EVENT_TIME = 6;
    private static final int LEAD = 8;
    private static final int HEAD = 12;

    final KernelSpec spec;
    private final long[] id = new long[2];
    private final Current current;
    private final int width;

    Kernel(KernelSpec spec) {
        this.spec = spec;
        current = new Current(spec.types.length + spec.hoursOfWeek.length);
        width = HEAD + spec.types.length + spec.features.length;
    }

    /** The row of a dead letter. */
    RowData letter(RowData input) {
        GenericRowData output = new GenericRowData(width);
        output.setField(1, LETTER);
        output.setField(2, input.isNullAt(IN_RECORD_KEY) ? null : input.getBinary(IN_RECORD_KEY));
        output.setField(3, input.getBinary(IN_LETTER));
        return output;
    }

    /** Whether an event was late when it came, so that it has no row. */
    boolean isLate(RowData input) {
        return spec.isInEventTime && !input.isNullAt(input.getArity() - 1);
    }

    /** What is noted of an event that was late. */
    RowData late(RowData input, Object key) {
        GenericRowData output = new GenericRowData(width);
        head(output, key, input, input.getString(IN_EVENT_ID), LATE);
        output.setField(9, input.getLong(input.getArity() - 1));
        return output;
    }

    /** Folds an event into the state of its key and returns its row; the row lives as long as the input does. */
    RowData fold(KeyState state, RowData input) {
        long eventTime = input.getLong(IN_EVENT_TIME);
        boolean isFirst = state.clock == KeyState.UNSET;
        long clock = isFirst ? eventTime : Math.max(state.clock, eventTime);
        StringData eventId = input.getString(IN_EVENT_ID);
        SeenIds.bits(eventId.toBytes(), id);
        boolean jumps = !isFirst && clock - state.clock > spec.retainMs;
        if (!jumps && state.seen.contains(id[0], id[1], clock - spec.dedupMs)) {
            return head(state, input, eventId, DUPLICATE, clock);
        }
        if (jumps) state.nextGeneration(spec.lanes);
        int outcome = !isFirst && eventTime < state.clock ? LATE_ROW : ROW;
        state.clock = clock;
        state.seen.add(id[0], id[1], clock, clock - spec.dedupMs);
        GenericRowData output = head(state, input, eventId, outcome, clock);
        current.eventTimeMs = eventTime;
        current.clockMs = clock;
        features(state.lanes, input, output);
        return output;
    }

    /** Folds an event that a backfill has given a row; nothing comes of it but state. */
    void recall(KeyState state, JsonNode event) {
        long clock = event.get("clock").longValue();
        state.clock = clock;
        state.generation = event.get("generation").longValue();
        SeenIds.bits(event.get("id").textValue().getBytes(StandardCharsets.UTF_8), id);
        state.seen.add(id[0], id[1], clock, clock - spec.dedupMs);
        current.eventTimeMs = event.get("at").longValue();
        current.clockMs = clock;
        for (int i = 0; i < spec.types.length; i++) take(event.get("i" + i), i);
        takeHours();
        for (Lane lane : state.lanes) lane.advance(clock);
        for (Lane lane : state.lanes) lane.add(current);
    }

    private static void head(GenericRowData output, Object key, RowData input, StringData eventId, int outcome) {
        output.setField(0, key);
        output.setField(1, outcome);
        output.setField(4, eventId);
        output.setField(5, input.getInt(4));
        output.setField(6, input.getLong(5));
        output.setField(7, input.getLong(IN_EVENT_TIME));
        output.setField(8, input.getLong(7));
    }

    private GenericRowData head(KeyState state, RowData input, StringData eventId, int outcome, long clock) {
        GenericRowData output = new GenericRowData(width);
        head(output, state.key, input, eventId, outcome);
        output.setField(9, clock);
        output.setField(10, state.generation);
        output.setField(11, System.currentTimeMillis());
        return output;
    }

    private void features(Lane[] lanes, RowData input, GenericRowData output) {
        for (int i = 0; i < spec.types.length; i++) {
            Object value = take(input, LEAD + spec.positions[i], i);
            current.isNull[i] = value == null;
            if (value != null) output.setField(HEAD + i, value);
        }
        takeHours();
        for (Lane lane : lanes) lane.advance(current.clockMs);
        evaluate(lanes, output, true);
        for (Lane lane : lanes) lane.add(current);
        evaluate(lanes, output, false);
    }

    private void evaluate(Lane[] lanes, GenericRowData output, boolean before) {
        int to = HEAD + spec.types.length;
        for (int f = 0; f < spec.features.length; f++) {
            if (spec.features[f].excludeCurrent == before) output.setField(to + f, spec.features[f].value(lanes, current));
        }
    }

    private void takeHours() {
        for (int h = 0; h < spec.hoursOfWeek.length; h++) {
            current.numbers[spec.types.length + h] = spec.hoursOfWeek[h].hourOfWeek(current.eventTimeMs);
        }
    }

    private void take(JsonNode value, int i) {
        current.isNull[i] = value.isNull();
        if (value.isNull()) return;
        switch (spec.types[i]) {
            case STRING:
                current.texts[i] = value.textValue();
                return;
            case DOUBLE:
                current.numbers[i] = Double.doubleToRawLongBits(value.doubleValue() + 0.0);
                return;
            case BOOL:
                current.numbers[i] = value.booleanValue() ? 1 : 0;
                return;
            default:
                current.numbers[i] = value.longValue();
        }
    }

    /** Reads an input as lanes hold it and returns it as it passes on to the expressions; null is null. */
    private Object take(RowData input, int field, int i) {
        if (input.isNullAt(field)) return null;
        switch (spec.types[i]) {
            case STRING:
                StringData text = input.getString(field);
                // What passes by lives no longer than the row; what stays is a copy.
                if (spec.isHeld[i]) current.texts[i] = text.toString();
                return text;
            case DOUBLE:
                // Minus zero is zero.
                double real = input.getDouble(field) + 0.0;
                // A derived value without a finite number has none.
                if (!Double.isFinite(real)) return null;
                current.numbers[i] = Double.doubleToRawLongBits(real);
                return real;
            case BOOL:
                boolean flag = input.getBoolean(field);
                current.numbers[i] = flag ? 1 : 0;
                return flag;
            case INT:
                int small = input.getInt(field);
                current.numbers[i] = small;
                return small;
            default:
                return current.numbers[i] = input.getLong(field);
        }
    }
}
