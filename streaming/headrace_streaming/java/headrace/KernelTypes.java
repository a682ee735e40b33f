package headrace;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
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

    static DataType output(String keyType, String specification) {
        List<DataTypes.Field> fields = new ArrayList<>();
        fields.add(DataTypes.FIELD("_key", of(keyType)));
        fields.add(DataTypes.FIELD("_outcome", DataTypes.INT().notNull()));
        fields.add(DataTypes.FIELD("_record_key", DataTypes.BYTES()));
        fields.add(DataTypes.FIELD("_letter", DataTypes.BYTES()));
        fields.add(DataTypes.FIELD("_event_id", DataTypes.STRING()));
        fields.add(DataTypes.FIELD("_source_partition", DataTypes.INT()));
        for (String name : new String[] {
            "source_offset", "event_time_ms", "ingested_at_ms", "clock_ms", "generation", "emitted_at_ms"
        }) {
            fields.add(DataTypes.FIELD("_" + name, DataTypes.BIGINT()));
        }
        try {
            JsonNode root = new ObjectMapper().readTree(specification);
            for (JsonNode input : root.get("inputs")) {
                fields.add(DataTypes.FIELD("_in_" + input.get("name").asText(), of(input.get("type").asText())));
            }
            for (JsonNode feature : root.get("features")) {
                fields.add(DataTypes.FIELD(feature.get("name").asText(), of(feature.get("result").asText())));
            }
        } catch (IOException e) {
            throw new IllegalArgumentException("the kernel's specification is not JSON: " + specification, e);
        }
        return DataTypeUtils.toInternalDataType(DataTypes.ROW(fields));
    }
}
