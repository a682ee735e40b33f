package headrace;

import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.binary.BinaryStringData;
import org.apache.flink.table.functions.TableFunction;
import org.apache.flink.table.types.inference.TypeInference;

/**
 * {@code LATERAL TABLE(emit('spec', outcome, letter, record_key, key, event_id, source_partition, source_offset, event_time_ms,
 * ingested_at_ms, clock_ms, generation, emitted_at_ms, feature, …))}: the records that leave for the topics, as topic, key, value.
 *
 * <p>A row goes to the view's topic; a row of a late event also to late_events; a late event without a row only there; a
 * duplicate only to duplicates; a dead letter to dead_letters. The spec names them, and the columns of the features.
 */
public final class Emit extends TableFunction<RowData> {
    private static final long serialVersionUID = 1L;

    private transient EmitSpec spec;
    private transient JsonBuffer buffer;
    private transient SlotRow binary;

    public void eval(
            StringData specification,
            int outcome,
            byte[] letter,
            byte[] recordKey,
            Object key,
            StringData eventId,
            Integer partition,
            Long offset,
            Long eventTimeMs,
            Long ingestedAtMs,
            Long clockMs,
            Long generation,
            Long emittedAtMs,
            Object... features) {
        if (spec == null) {
            spec = EmitSpec.parse(specification.toString());
            buffer = new JsonBuffer();
            if (spec.layout != null) binary = new SlotRow(spec.layout);
        }
        if (outcome == Kernel.LETTER) {
            send(spec.deadLetters, recordKey, letter);
            return;
        }
        byte[] keyBytes = key instanceof BinaryStringData
                ? ((BinaryStringData) key).toBytes()
                : key.toString().getBytes(StandardCharsets.US_ASCII);
        if (outcome == Kernel.ROW || outcome == Kernel.LATE_ROW) {
            Object[] head = {eventId, key, eventTimeMs, clockMs, generation, partition, offset, ingestedAtMs, emittedAtMs};
            send(spec.topic, keyBytes, binary == null ? json(head, features) : binary.of(head, features));
        }
        if (outcome == Kernel.ROW) return;
        buffer.clear();
        boolean late = outcome != Kernel.DUPLICATE;
        buffer.raw(late ? spec.lateLead : spec.duplicateLead);
        Object[] ledger = {eventId, new String(keyBytes, StandardCharsets.UTF_8), partition, offset, eventTimeMs, clockMs};
        for (int i = 0; i < ledger.length; i++) buffer.member(spec.ledger[i], ledger[i]);
        send(late ? spec.lateEvents : spec.duplicates, keyBytes, buffer.end());
    }

    private byte[] json(Object[] head, Object[] features) {
        buffer.clear();
        buffer.raw(spec.lead);
        for (int i = 0; i < head.length; i++) buffer.member(spec.head[i], head[i]);
        for (int i = 0; i < features.length; i++) buffer.member(spec.features[i], features[i]);
        return buffer.end();
    }

    private void send(StringData topic, byte[] key, byte[] value) {
        GenericRowData row = new GenericRowData(3);
        row.setField(0, topic);
        row.setField(1, key);
        row.setField(2, value);
        collect(row);
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory factory) {
        return TypeInference.newBuilder()
                .inputTypeStrategy(new InternalArguments())
                .outputTypeStrategy(call -> Optional.of(DataTypes.ROW(
                                DataTypes.FIELD("topic", DataTypes.STRING().notNull()),
                                DataTypes.FIELD("key", DataTypes.BYTES()),
                                DataTypes.FIELD("value", DataTypes.BYTES()))
                        .bridgedTo(RowData.class)))
                .build();
    }
}
