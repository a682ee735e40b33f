package headrace;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.TopicPartition;

/** Where a bounded job ends: before an offset that is given, and where nothing is given, before the partition begins. */
final class Ending implements OffsetsInitializer {
    private static final long serialVersionUID = 1L;
    private final HashMap<Integer, Long> offsets;

    /** @param offsets Partition → first offset that is not read. */
    Ending(Map<Integer, Long> offsets) {
        this.offsets = new HashMap<>(offsets);
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
