package headrace;

import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.table.data.RowData;

/**
 * The watermark of a partition: the newest time it has come to, told with the event itself; dead letters move nothing. That is the
 * event time, but for labels that come before they may be known.
 */
final class PartitionTime implements WatermarkGenerator<RowData> {
    private final int column;
    private long newest = Long.MIN_VALUE;

    PartitionTime(int column) {
        this.column = column;
    }

    @Override
    public void onEvent(RowData row, long timestamp, WatermarkOutput output) {
        if (!row.isNullAt(EventDeserializer.LETTER)) return;
        long time = row.getLong(column);
        if (time <= newest) return;
        newest = time;
        output.emitWatermark(new Watermark(time));
    }

    @Override
    public void onPeriodicEmit(WatermarkOutput output) {
        // Everything was said with the events.
    }
}
