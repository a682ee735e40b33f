package headrace;

import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.table.data.RowData;

/** The watermark of a partition: the newest event time it has given, told with the event itself; dead letters move nothing. */
final class PartitionTime implements WatermarkGenerator<RowData> {
    private long newest = Long.MIN_VALUE;

    @Override
    public void onEvent(RowData row, long timestamp, WatermarkOutput output) {
        if (!row.isNullAt(EventDeserializer.LETTER)) return;
        long time = row.getLong(EventDeserializer.EVENT_TIME);
        if (time <= newest) return;
        newest = time;
        output.emitWatermark(new Watermark(time));
    }

    @Override
    public void onPeriodicEmit(WatermarkOutput output) {
        // Everything was said with the events.
    }
}
