package headrace;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamUtils;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.utils.DataTypeUtils;

/** Puts what SQL cannot say between two views of a table environment; called by the plan through the gateway to Java. */
public final class KernelStep {
    /** Views as streams: all kernels of a job read one and the same. */
    private final Map<String, DataStream<RowData>> streams = new HashMap<>();
    /** Streams whose events stand in the order of their times, key by key. */
    private final Map<String, KeyedStream<RowData, Object>> ordered = new HashMap<>();

    /**
     * Makes {@code to} of the view {@code from}: the events of each key in the order of their times. Only kernels read it.
     *
     * @param afterMs For a start without state: all events up to this instant have gone on before.
     * @param counted For a start without state, as a JSON object: partition → offset before which those events were counted.
     * @param uid Name of the operator's state.
     */
    public void order(
            StreamTableEnvironment tables,
            String from,
            String to,
            String keyType,
            long latenessMs,
            long quietMs,
            long afterMs,
            String counted,
            String uid) {
        DataStream<RowData> events = stream(tables, from);
        RowType type = (RowType) input(tables.from(from).getResolvedSchema()).getLogicalType();
        List<RowType.RowField> fields = new ArrayList<>(type.getFields());
        fields.add(new RowType.RowField("_watermark_ms", new BigIntType()));
        Seen seen = new Seen(type.getFieldIndex("_progress_ms"), afterMs, counted);
        DataStream<RowData> rows = keyed(events, keyType)
                .transform(
                        "order " + to,
                        InternalTypeInfo.of(new RowType(fields)),
                        new OrderOperator(InternalTypeInfo.of(type).toSerializer(), latenessMs, quietMs, seen))
                .uid(uid);
        // Where an event goes on from is where its key belongs: it need not be sent again.
        ordered.put(to, DataStreamUtils.reinterpretAsKeyedStream(rows, new KeySelector(keyType), keyInfo(keyType)));
    }

    /**
     * Makes the view {@code to} of the records that the kernel gives for the rows of the view {@code from}.
     *
     * @param records What leaves, as {@link RecordSpec} reads it.
     * @param seed Folder of the {@link Seed} for a start without state, as a URI; empty: there is none.
     * @param uid Name of the operator's state.
     */
    public void add(
            StreamTableEnvironment tables, String from, String to, String specification, String records, String seed, String uid) {
        String keyType = KernelSpec.parse(specification).keyType;
        KeyedStream<RowData, Object> events = ordered.get(from);
        if (events == null) events = keyed(stream(tables, from), keyType);
        DataType output = KernelTypes.output(records);
        DataStream<RowData> rows = events.transform(
                        "kernel " + to,
                        InternalTypeInfo.of((RowType) output.getLogicalType()),
                        new KernelOperator(specification, records, seed))
                .uid(uid);
        tables.createTemporaryView(to, rows);
    }

    private DataStream<RowData> stream(StreamTableEnvironment tables, String view) {
        return streams.computeIfAbsent(view, name -> {
            Table table = tables.from(name);
            return tables.toDataStream(table, input(table.getResolvedSchema()));
        });
    }

    private static KeyedStream<RowData, Object> keyed(DataStream<RowData> events, String keyType) {
        return events.keyBy(new KeySelector(keyType), keyInfo(keyType));
    }

    @SuppressWarnings({"unchecked", "rawtypes"}) // The key of a row is whatever its contract says.
    private static TypeInformation<Object> keyInfo(String keyType) {
        return (TypeInformation) InternalTypeInfo.of(KernelTypes.of(keyType).getLogicalType());
    }

    /** Columns as Flink holds them inside, none of them declared as never null: that would be checked for every row. */
    private static DataType input(ResolvedSchema schema) {
        List<DataTypes.Field> fields = new ArrayList<>();
        for (Column column : schema.getColumns()) {
            fields.add(DataTypes.FIELD(column.getName(), column.getDataType().nullable()));
        }
        return DataTypeUtils.toInternalDataType(DataTypes.ROW(fields));
    }
}
