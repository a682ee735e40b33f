package headrace;

import java.util.Optional;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.MapData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.functions.TableFunction;
import org.apache.flink.table.types.inference.CallContext;
import org.apache.flink.table.types.inference.TypeInference;

/**
 * {@code LATERAL TABLE(parse('spec', topic, partition, offset, timestamp, key, value, headers))}: one row a record, either the
 * contract's fields or, in {@code letter}, the dead letter as JSON; never an exception.
 */
public final class Parse extends TableFunction<RowData> {
    private static final long serialVersionUID = 1L;
    private static final int LEAD = 4;

    private transient EventSpec spec;
    private transient EventReader reader;
    private transient DeadLetter letter;

    public void eval(
            StringData specification,
            StringData topic,
            int partition,
            long offset,
            TimestampData timestamp,
            byte[] key,
            byte[] value,
            MapData headers) {
        if (spec == null) {
            spec = EventSpec.parse(specification.toString());
            reader = new EventReader(spec);
            letter = new DeadLetter();
        }
        long timestampMs = timestamp.getMillisecond();
        GenericRowData row = new GenericRowData(LEAD + spec.fields.length);
        byte[] id = header(headers, "event_id");
        if (reader.read(value, key, id, timestampMs)) {
            row.setField(1, id == null ? StringData.fromString(spec.event + "-" + partition + "-" + offset) : StringData.fromBytes(id));
            row.setField(2, reader.eventTimeMs());
            row.setField(3, timestampMs);
            for (int i = 0; i < spec.fields.length; i++) row.setField(LEAD + i, reader.value(i));
        } else {
            row.setField(0, letter.of(spec.event, reader, topic, partition, offset, timestampMs, key, value, id));
        }
        collect(row);
    }

    private static byte[] header(MapData headers, String name) {
        if (headers == null || headers.size() == 0) return null;
        ArrayData keys = headers.keyArray();
        for (int i = 0; i < headers.size(); i++) {
            if (keys.getString(i).toString().equals(name)) {
                ArrayData values = headers.valueArray();
                return values.isNullAt(i) ? null : values.getBinary(i);
            }
        }
        return null;
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory factory) {
        return TypeInference.newBuilder()
                .inputTypeStrategy(new InternalArguments())
                .outputTypeStrategy(call -> Optional.of(output(call)))
                .build();
    }

    private static org.apache.flink.table.types.DataType output(CallContext call) {
        EventSpec spec = EventSpec.parse(call.getArgumentValue(0, String.class)
                .orElseThrow(() -> new IllegalArgumentException("the spec of parse must be a literal")));
        DataTypes.Field[] fields = new DataTypes.Field[LEAD + spec.fields.length];
        fields[0] = DataTypes.FIELD("_letter", DataTypes.BYTES());
        fields[1] = DataTypes.FIELD("_event_id", DataTypes.STRING());
        fields[2] = DataTypes.FIELD("_event_time_ms", DataTypes.BIGINT());
        fields[3] = DataTypes.FIELD("_record_timestamp_ms", DataTypes.BIGINT());
        for (int i = 0; i < spec.fields.length; i++) {
            fields[LEAD + i] = DataTypes.FIELD("_f_" + spec.fields[i].name, KernelTypes.of(spec.fields[i].type));
        }
        return DataTypes.ROW(fields).bridgedTo(RowData.class);
    }
}
