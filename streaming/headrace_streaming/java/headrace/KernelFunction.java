package headrace;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Optional;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.dataview.MapView;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.functions.ProcessTableFunction;
import org.apache.flink.table.types.DataType;
import org.apache.flink.types.Row;
import org.apache.flink.table.types.inference.CallContext;
import org.apache.flink.table.types.inference.StateTypeStrategy;
import org.apache.flink.table.types.inference.StaticArgument;
import org.apache.flink.table.types.inference.StaticArgumentTrait;
import org.apache.flink.table.types.inference.TypeInference;

/**
 * The window kernel: {@code kernel(input => TABLE accepted PARTITION BY key, spec => '…', uid => '…')}.
 *
 * <p>Input columns, in this order: the key, record_key, letter, event_id, source_partition, source_offset, event_time_ms,
 * ingested_at_ms, then the inputs of the specification. Output: the key (added by Flink), {@code outcome} (0 a row, 1 a row of a
 * late event, 2 a duplicate, 3 a dead letter that only passes through), the same columns, clock_ms, generation, emitted_at_ms, and
 * the features. One straight line from source to sink keeps the planner from running the kernel once for every kind of output.
 */
public final class KernelFunction extends ProcessTableFunction<RowData> {
    private static final long serialVersionUID = 1L;
    static final int ROW = 0;
    static final int LATE_ROW = 1;
    static final int DUPLICATE = 2;
    static final int LETTER = 3;
    private static final int LEAD = 8;
    private static final int HEAD = 11;
    private static final Integer ONLY = 0;

    private transient KernelSpec spec;
    private transient long[] id;
    private transient long[] numbers;
    private transient String[] texts;

    public void eval(MapView<Integer, KeyState> states, Row input, String specification)
            throws Exception {
        if (spec == null) prepare(specification);
        if (input.getField(2) != null) {
            if (spec.passesLetters) collect(letter(input));
            return;
        }
        KeyState state = states.get(ONLY);
        if (state == null) state = new KeyState(spec.lane);
        GenericRowData output = fold(state, input);
        states.put(ONLY, state);
        collect(output);
    }

    private void prepare(String specification) {
        spec = KernelSpec.parse(specification);
        id = new long[2];
        numbers = new long[spec.inputs.length];
        texts = new String[spec.inputs.length];
    }

    private GenericRowData letter(Row input) {
        GenericRowData output = new GenericRowData(HEAD + spec.inputs.length + spec.features.length);
        output.setField(0, LETTER);
        output.setField(1, input.getField(1));
        output.setField(2, input.getField(2));
        return output;
    }

    private GenericRowData fold(KeyState state, Row input) {
        long eventTime = (Long) input.getField(6);
        boolean isFirst = state.clock == KeyState.UNSET;
        long clock = isFirst ? eventTime : Math.max(state.clock, eventTime);
        SeenIds.bits(((String) input.getField(3)).getBytes(StandardCharsets.UTF_8), id);
        if (!isFirst && clock - state.clock > spec.retainMs) state.nextGeneration(spec.lane);
        if (state.seen.contains(id[0], id[1], clock - spec.dedupMs)) return head(state, input, DUPLICATE, clock);
        long sinceLast = state.events == 0 ? -1 : clock - state.clock;
        int outcome = !isFirst && eventTime < state.clock ? LATE_ROW : ROW;
        state.clock = clock;
        state.events++;
        state.seen.add(id[0], id[1], clock, clock - spec.dedupMs);
        GenericRowData output = head(state, input, outcome, clock);
        features(state.lane, input, output, eventTime, clock, sinceLast);
        return output;
    }

    private GenericRowData head(KeyState state, Row input, int outcome, long clock) {
        GenericRowData output = new GenericRowData(HEAD + spec.inputs.length + spec.features.length);
        output.setField(0, outcome);
        output.setField(3, StringData.fromString((String) input.getField(3)));
        output.setField(4, input.getField(4));
        output.setField(5, input.getField(5));
        output.setField(6, input.getField(6));
        output.setField(7, input.getField(7));
        output.setField(8, clock);
        output.setField(9, state.generation);
        output.setField(10, System.currentTimeMillis());
        return output;
    }

    private void features(Lane lane, Row input, GenericRowData output, long eventTime, long clock, long sinceLast) {
        long nullMask = 0;
        for (int i = 0; i < spec.inputs.length; i++) {
            Object value = finite(input.getField(LEAD + spec.positions[i]));
            if (value == null) nullMask |= 1L << i;
            else output.setField(HEAD + i, take(value, i));
        }
        lane.advance(clock);
        int to = HEAD + spec.inputs.length;
        for (int f = 0; f < spec.features.length; f++) {
            if (spec.features[f].excludeCurrent) output.setField(to + f, spec.features[f].value(lane, eventTime, sinceLast));
        }
        lane.add(clock, nullMask, numbers, texts);
        for (int f = 0; f < spec.features.length; f++) {
            if (!spec.features[f].excludeCurrent) output.setField(to + f, spec.features[f].value(lane, eventTime, sinceLast));
        }
    }

    /** A derived value without a finite number has none. */
    private static Object finite(Object value) {
        return value instanceof Double && !Double.isFinite((Double) value) ? null : value;
    }

    /** Reads an input into the lane's scratch and returns it as it passes on to the expressions. */
    private Object take(Object value, int i) {
        if (value instanceof Double) numbers[i] = Double.doubleToRawLongBits((Double) value);
        else if (value instanceof Boolean) numbers[i] = (Boolean) value ? 1 : 0;
        else if (value instanceof Number) numbers[i] = ((Number) value).longValue();
        else return StringData.fromString(texts[i] = (String) value);
        return value;
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory factory) {
        LinkedHashMap<String, StateTypeStrategy> states = new LinkedHashMap<>();
        // A time to live of zero is none: rule 10 (retain) decides what is forgotten. Without it every access would copy the state.
        states.put("states", StateTypeStrategy.of(call -> Optional.of(stateType(specification(call))), Duration.ZERO));
        return TypeInference.newBuilder()
                .staticArguments(
                        StaticArgument.table(
                                "input", Row.class, false, EnumSet.of(StaticArgumentTrait.SET_SEMANTIC_TABLE)),
                        StaticArgument.scalar("spec", DataTypes.STRING().notNull(), false))
                .stateTypeStrategies(states)
                .outputTypeStrategy(call -> Optional.of(KernelTypes.output(specification(call))))
                .build();
    }

    private static String specification(CallContext call) {
        return call.getArgumentValue(1, String.class)
                .orElseThrow(() -> new IllegalArgumentException("the kernel's spec must be a literal"));
    }

    private static DataType stateType(String specification) {
        return MapView.newMapViewDataType(
                DataTypes.INT().notNull(),
                DataTypes.RAW(KeyState.class, new KeyStateSerializer(specification)).notNull());
    }
}
