package headrace;

import java.io.IOException;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.TopicPartition;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/**
 * An offset of each of some partitions. As a beginning or an end of a source: at the offset that is given, else where the
 * partition begins, which as an end is: nothing of it.
 *
 * <p>Flink's own initializer of given offsets looks for those of the consumer group first: they are of another plan.
 */
final class Offsets implements OffsetsInitializer {
    private static final long serialVersionUID = 1L;
    private final HashMap<Integer, Long> offsets = new HashMap<>();

    /** Reads a JSON object of partition → offset. */
    static Offsets parse(String json) {
        Offsets found = new Offsets();
        try {
            new ObjectMapper()
                    .readTree(json)
                    .properties()
                    .forEach(one -> found.offsets.put(Integer.parseInt(one.getKey()), one.getValue().longValue()));
        } catch (IOException e) {
            throw new IllegalArgumentException("the offsets are not JSON: " + json, e);
        }
        return found;
    }

    boolean isEmpty() {
        return offsets.isEmpty();
    }

    /** Whether the partition has an offset here and this one stands before it. */
    boolean isBefore(int partition, long offset) {
        Long given = offsets.get(partition);
        return given != null && offset < given;
    }

    @Override
    public Map<TopicPartition, Long> getPartitionOffsets(
            Collection<TopicPartition> partitions, PartitionOffsetsRetriever retriever) {
        Map<TopicPartition, Long> found = new HashMap<>(retriever.beginningOffsets(partitions));
        found.replaceAll((partition, first) -> Math.max(first, offsets.getOrDefault(partition.partition(), first)));
        return found;
    }

    @Override
    public OffsetResetStrategy getAutoOffsetResetStrategy() {
        return OffsetResetStrategy.EARLIEST;
    }
}
