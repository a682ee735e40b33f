package headrace;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.header.Header;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.utils.DataTypeUtils;
import org.apache.flink.util.Collector;

/**
 * One row a record of a topic of events: the contract's fields or, in {@code _letter}, the dead letter as JSON; never an exception.
 *
 * <p>Columns: {@code _letter}, {@code _record_key}, {@code _event_id}, {@code _source_partition}, {@code _source_offset},
 * {@code _event_time_ms}, {@code _ingested_at_ms}, then {@code _f_NAME} for each field that features may read.
 */
final class EventDeserializer implements KafkaRecordDeserializationSchema<RowData> {
    private static final long serialVersionUID = 1L;
    static final int LETTER = 0;
    static final int EVENT_TIME = 5;
    private static final int LEAD = 7;

    private final String specification;
    private transient EventReader reader;
    private transient DeadLetter letter;
    private transient EventSpec spec;
    /** Partition → offset of the last record. */
    private transient long[] lastOffsets;

    /** Returns the column of a row that says how far time has come. */
    static int progress(EventSpec spec) {
        if (spec.progress == null) return EVENT_TIME;
        int column = LEAD;
        while (!spec.fields[spec.carried[column - LEAD]].name.equals(spec.progress)) column++;
        return column;
    }

    /** @param specification The contract, as {@link EventSpec} reads it. */
    EventDeserializer(String specification) {
        this.specification = specification;
    }

    @Override
    public void open(DeserializationSchema.InitializationContext context) {
        spec = EventSpec.parse(specification);
        reader = new EventReader(spec);
        letter = new DeadLetter();
        lastOffsets = new long[0];
    }

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<RowData> out) {
        goOn(record);
        GenericRowData row = new GenericRowData(LEAD + spec.carried.length);
        row.setField(1, record.key());
        row.setField(3, record.partition());
        row.setField(4, record.offset());
        row.setField(6, record.timestamp());
        byte[] id = last(record, "event_id");
        if (reader.read(record.value(), record.key(), id, record.timestamp(), () -> last(record, "contract"))) {
            row.setField(2, id == null ? named(record) : StringData.fromBytes(id));
            row.setField(EVENT_TIME, reader.eventTimeMs());
            for (int i = 0; i < spec.carried.length; i++) row.setField(LEAD + i, reader.value(spec.carried[i]));
        } else {
            row.setField(LETTER, letter.of(spec.event, reader, record, id));
            // The letter goes by this key to its topic.
            if (!DeadLetter.keepsKey(record)) row.setField(1, null);
        }
        out.collect(row);
    }

    /** Ends the job for good where a topic begins anew: state and offsets are of the one that was deleted. */
    private void goOn(ConsumerRecord<byte[], byte[]> record) {
        int partition = record.partition();
        if (partition >= lastOffsets.length) {
            int known = lastOffsets.length;
            lastOffsets = Arrays.copyOf(lastOffsets, partition + 1);
            Arrays.fill(lastOffsets, known, partition + 1, -1);
        }
        long last = lastOffsets[partition];
        if (record.offset() <= last) {
            throw new SuppressRestartsException(new IllegalStateException("the topic " + record.topic()
                    + " was deleted and made anew: in partition " + partition + " offset " + record.offset() + " came after " + last));
        }
        lastOffsets[partition] = record.offset();
    }

    private static byte[] last(ConsumerRecord<byte[], byte[]> record, String name) {
        Header header = record.headers().lastHeader(name);
        return header == null ? null : header.value();
    }

    /** An event without an id is known by where it stands. */
    private StringData named(ConsumerRecord<byte[], byte[]> record) {
        return StringData.fromString(spec.event + "-" + record.partition() + "-" + record.offset());
    }

    @Override
    public TypeInformation<RowData> getProducedType() {
        List<DataTypes.Field> fields = new ArrayList<>();
        fields.add(DataTypes.FIELD("_letter", DataTypes.BYTES()));
        fields.add(DataTypes.FIELD("_record_key", DataTypes.BYTES()));
        fields.add(DataTypes.FIELD("_event_id", DataTypes.STRING()));
        fields.add(DataTypes.FIELD("_source_partition", DataTypes.INT()));
        fields.add(DataTypes.FIELD("_source_offset", DataTypes.BIGINT()));
        fields.add(DataTypes.FIELD("_event_time_ms", DataTypes.BIGINT()));
        fields.add(DataTypes.FIELD("_ingested_at_ms", DataTypes.BIGINT()));
        EventSpec read = EventSpec.parse(specification);
        for (int position : read.carried) {
            EventSpec.Field field = read.fields[position];
            fields.add(DataTypes.FIELD("_f_" + field.name, KernelTypes.of(field.type)));
        }
        return InternalTypeInfo.of((RowType) DataTypeUtils.toInternalDataType(DataTypes.ROW(fields)).getLogicalType());
    }
}
