package headrace;

import java.io.IOException;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.KafkaSourceBuilder;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.Schema;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.api.bridge.internal.AbstractStreamTableEnvironmentImpl;
import org.apache.flink.table.data.RowData;

/** Puts the topic of an event, read by its contract, at the beginning of a table environment; called by the plan. */
public final class SourceStep {
    /** SQL lets the watermarks of a stream pass only where a column of its times says so. */
    private static final Schema WITH_WATERMARKS = Schema.newBuilder()
            .columnByMetadata("_record_time", DataTypes.TIMESTAMP_LTZ(3), "rowtime")
            .watermark("_record_time", "SOURCE_WATERMARK()")
            .build();

    /**
     * Makes the view {@code to} of the topic's records, from where the job's state says.
     *
     * @param contract The contract as {@link EventSpec} reads it.
     * @param client Properties of Kafka's client, as a JSON object.
     * @param bounded Whether to read up to an end and finish.
     * @param ends Partition → first offset that is not read then, as a JSON object; empty: the present end of each.
     * @param idleMs With watermarks, after what silence a partition no longer holds them back; 0: without watermarks.
     * @param offsets For a start without state: partition → offset to begin at, as a JSON object; others begin at their beginning.
     * @param uid Name of the source's state.
     */
    public void add(
            StreamTableEnvironment tables,
            String topic,
            String to,
            String contract,
            String client,
            boolean bounded,
            String ends,
            long idleMs,
            String offsets,
            String uid)
            throws IOException {
        KafkaSourceBuilder<RowData> source = KafkaSource.<RowData>builder()
                .setTopics(topic)
                .setStartingOffsets(Offsets.parse(offsets))
                .setDeserializer(new EventDeserializer(contract));
        JsonNode properties = new ObjectMapper().readTree(client);
        properties.fieldNames().forEachRemaining(name -> source.setProperty(name, properties.get(name).asText()));
        Offsets last = Offsets.parse(ends);
        if (bounded) source.setBounded(last.isEmpty() ? OffsetsInitializer.latest() : last);
        StreamExecutionEnvironment environment = ((AbstractStreamTableEnvironmentImpl) tables).execEnv();
        DataStream<RowData> rows =
                environment.fromSource(source.build(), watermarks(idleMs, EventSpec.parse(contract)), "events " + topic).uid(uid);
        if (idleMs == 0) tables.createTemporaryView(to, rows);
        else tables.createTemporaryView(to, rows, WITH_WATERMARKS);
    }

    private static WatermarkStrategy<RowData> watermarks(long idleMs, EventSpec spec) {
        if (idleMs == 0) return WatermarkStrategy.noWatermarks();
        int progress = EventDeserializer.progress(spec);
        return WatermarkStrategy.<RowData>forGenerator(context -> new PartitionTime(progress)).withIdleness(Duration.ofMillis(idleMs));
    }
}
