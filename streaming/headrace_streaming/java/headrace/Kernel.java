package headrace;

import java.nio.charset.StandardCharsets;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.table.data.RowData;

/**
 * One view's features, an event at a time.
 *
 * <p>Input columns, in this order: the key, record_key, letter, event_id, source_partition, source_offset, event_time_ms,
 * ingested_at_ms, then the inputs of all views of the job; of events in the order of their times also the watermark that had passed
 * a late one, or null.
 */
final class Kernel {
    /** What becomes of an event. */
    static final int ROW = 0;

    /** A row of an event that came after a later one of its key. */
    static final int LATE_ROW = 1;

    static final int DUPLICATE = 2;
    /** A late event without a row. */
    static final int LATE = 3;

    static final int IN_RECORD_KEY = 1;
    static final int IN_LETTER = 2;
    private static final int IN_EVENT_ID = 3;
    static final int IN_EVENT_TIME = 6;
    static final int LEAD = 8;

    final KernelSpec spec;
    /** Of the event that was folded last, as are its inputs and features. */
    final Head head = new Head();

    final Current current;
    final Cells cells;
    private final long[] id = new long[2];

    Kernel(KernelSpec spec) {
        this.spec = spec;
        current = new Current(spec.types.length + spec.hoursOfWeek.length);
        cells = new Cells(spec.features.length);
    }

    /** Whether an event was late when it came, so that it has no row. */
    boolean isLate(RowData input) {
        return spec.isInEventTime && !input.isNullAt(input.getArity() - 1);
    }

    /** Notes such an event and returns what becomes of it. */
    int late(RowData input, Object key) {
        begin(input, key);
        head.clockMs = input.getLong(input.getArity() - 1);
        return LATE;
    }

    /** Folds an event into the state of its key and returns what becomes of it. */
    int fold(KeyState state, RowData input) {
        begin(input, state.key);
        long eventTime = head.eventTimeMs;
        boolean isFirst = state.clock == KeyState.UNSET;
        long clock = isFirst ? eventTime : Math.max(state.clock, eventTime);
        head.clockMs = clock;
        SeenIds.bits(head.eventId, id);
        boolean jumps = !isFirst && clock - state.clock > spec.retainMs;
        if (!jumps && state.seen.contains(id[0], id[1], clock - spec.dedupMs)) return DUPLICATE;
        if (jumps) state.nextGeneration(spec.lanes);
        int outcome = !isFirst && eventTime < state.clock ? LATE_ROW : ROW;
        state.clock = clock;
        state.seen.add(id[0], id[1], clock, clock - spec.dedupMs);
        head.generation = state.generation;
        head.emittedAtMs = System.currentTimeMillis();
        current.eventTimeMs = eventTime;
        current.clockMs = clock;
        features(state.lanes, input);
        return outcome;
    }

    private void begin(RowData input, Object key) {
        head.eventId = input.getString(IN_EVENT_ID).toBytes();
        head.key = KeySelector.bytes(key);
        head.partition = input.getInt(4);
        head.offset = input.getLong(5);
        head.eventTimeMs = input.getLong(IN_EVENT_TIME);
        head.ingestedAtMs = input.getLong(7);
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

    private void features(Lane[] lanes, RowData input) {
        for (int i = 0; i < spec.types.length; i++) current.isNull[i] = !take(input, LEAD + spec.positions[i], i);
        takeHours();
        for (Lane lane : lanes) lane.advance(current.clockMs);
        evaluate(lanes, true);
        for (Lane lane : lanes) lane.add(current);
        evaluate(lanes, false);
    }

    private void evaluate(Lane[] lanes, boolean before) {
        for (int f = 0; f < spec.features.length; f++) {
            if (spec.features[f].excludeCurrent == before) spec.features[f].evaluate(lanes, current, cells, f);
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

    /** Reads an input as lanes hold it; false where there is no value. */
    private boolean take(RowData input, int field, int i) {
        if (input.isNullAt(field)) return false;
        switch (spec.types[i]) {
            case STRING:
                // What passes by lives no longer than the row; what stays is a copy.
                if (spec.isHeld[i]) current.texts[i] = input.getString(field).toString();
                return true;
            case DOUBLE:
                // Minus zero is zero.
                double real = input.getDouble(field) + 0.0;
                current.numbers[i] = Double.doubleToRawLongBits(real);
                // A derived value without a finite number has none.
                return Double.isFinite(real);
            case BOOL:
                current.numbers[i] = input.getBoolean(field) ? 1 : 0;
                return true;
            case INT:
                current.numbers[i] = input.getInt(field);
                return true;
            default:
                current.numbers[i] = input.getLong(field);
                return true;
        }
    }
}
