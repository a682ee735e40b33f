package headrace;

import java.util.ArrayList;
import java.util.List;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.utils.DataTypeUtils;

/** SQL types of contract types, and of what the kernel returns. */
final class KernelTypes {
    private KernelTypes() {}

    static DataType of(String type) {
        switch (type) {
            case "string":
                return DataTypes.STRING();
            case "bool":
                return DataTypes.BOOLEAN();
            case "int":
                return DataTypes.INT();
            case "double":
                return DataTypes.DOUBLE();
            case "long":
            case "timestamp":
                return DataTypes.BIGINT();
            default:
                throw new IllegalArgumentException("no SQL type for the contract type '" + type + "'");
        }
    }

    /** The columns of {@link Records}. */
    static DataType output(String records) {
        RecordSpec spec = RecordSpec.parse(records);
        List<DataTypes.Field> fields = new ArrayList<>();
        fields.add(DataTypes.FIELD("_key", DataTypes.BYTES()));
        fields.add(DataTypes.FIELD("_value", DataTypes.BYTES()));
        fields.add(DataTypes.FIELD("_topic", DataTypes.STRING().notNull()));
        if (spec.isOpen()) fields.add(DataTypes.FIELD("_is_row", DataTypes.BOOLEAN().notNull()));
        for (RecordSpec.Read one : spec.reads) fields.add(DataTypes.FIELD(one.column, of(one.type)));
        return DataTypeUtils.toInternalDataType(DataTypes.ROW(fields));
    }
}
