package headrace;

import java.util.Optional;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.flink.table.types.inference.TypeInference;

/** {@code completed('records', is_row, value, feature, …)}: the value of a row with the features that expressions give; any other as it is. */
public final class Completed extends ScalarFunction {
    private static final long serialVersionUID = 1L;

    private transient RowForm form;

    public byte[] eval(StringData specification, Boolean isRow, byte[] value, Object... features) {
        if (!isRow) return value;
        if (form == null) form = RecordSpec.parse(specification.toString()).form();
        return form.completed(value, features);
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory factory) {
        return TypeInference.newBuilder()
                .inputTypeStrategy(new InternalArguments())
                .outputTypeStrategy(call -> Optional.of(DataTypes.BYTES()))
                .build();
    }
}
