package headrace;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.utils.DataTypeUtils;

/** Puts the window kernel between two views of a table environment; called by the plan through the gateway to Java. */
public final class KernelStep {
    /** Views as streams: all kernels of a job read one and the same. */
    private final Map<String, DataStream<RowData>> streams = new HashMap<>();

    /**
     * Makes the view {@code to} of what the kernel gives for the rows of the view {@code from}.
     *
     * @param uid Name of the operator's state.
     */
    public void add(StreamTableEnvironment tables, String from, String to, String specification, String uid) {
        DataStream<RowData> events = streams.computeIfAbsent(from, name -> {
            Table table = tables.from(name);
            return tables.toDataStream(table, input(table.getResolvedSchema()));
        });
        String keyType = KernelSpec.parse(specification).keyType;
        DataType output = KernelTypes.output(keyType, specification);
        DataStream<RowData> rows = events.keyBy(
                        new KeySelector(keyType), InternalTypeInfo.of(KernelTypes.of(keyType).getLogicalType()))
                .transform(
                        "kernel " + to,
                        InternalTypeInfo.of((RowType) output.getLogicalType()),
                        new KernelOperator(specification))
                .uid(uid);
        tables.createTemporaryView(to, rows);
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
