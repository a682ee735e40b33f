package headrace;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.base.ListSerializer;
import org.apache.flink.api.common.typeutils.base.LongSerializer;
import org.apache.flink.api.common.typeutils.base.StringSerializer;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.InternalTimer;
import org.apache.flink.streaming.api.operators.InternalTimerService;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.Triggerable;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.utils.JoinedRowData;

/**
 * Gives the events of each key on in the order of their times; those of one time in the order in which they came.
 *
 * <p>An event is held until the watermark is {@code lateness} past it. One that comes when its time is already passed is late: it
 * goes on at once, and a column behind those of the input names the watermark that had passed; null in order.
 *
 * <p>Nothing moves a watermark but events. So that the last ones of a quiet topic are not held for ever, all that is held goes on
 * when neither an event nor a watermark has come for {@code quiet}; what comes later and lies before it is late. An event that may be
 * known only later than it came (a label) is none of the last ones: it waits until time has come to it.
 */
public final class OrderOperator extends AbstractStreamOperator<RowData>
        implements OneInputStreamOperator<RowData, RowData>, Triggerable<Object, VoidNamespace> {
    private static final long serialVersionUID = 1L;
    /** After a restart the source may need this long until it goes on. */
    private static final long LEAST_AFTER_RESTART_MS = 60_000;

    private final TypeSerializer<RowData> serializer;
    private final long latenessMs;
    private final long quietMs;
    private final Seen begun;

    private transient MapState<Long, List<RowData>> held;
    private transient InternalTimerService<VoidNamespace> timers;
    private transient ListState<Long> frontiers;
    private transient ListState<Long> progresses;
    private transient ListState<String> seams;
    private transient Seen seen;
    /** How far time has come with the newest event. */
    private transient long newest;

    /** All events at or before this instant have gone on: another one is late. */
    private transient long frontier;

    private transient boolean isActive;
    private transient boolean hasBegun;
    private transient boolean isRestored;
    private transient long startedMs;
    private transient JoinedRowData output;
    private transient GenericRowData tail;
    private transient StreamRecord<RowData> record;

    /** @param begun What a start without state begins with. */
    OrderOperator(TypeSerializer<RowData> serializer, long latenessMs, long quietMs, Seen begun) {
        this.serializer = serializer;
        this.latenessMs = latenessMs;
        this.quietMs = quietMs;
        this.begun = begun;
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        // Watermarks begin anew after a restart; how far each copy had come is told to all, as keys may have moved between them.
        frontiers = union(context, "frontier", LongSerializer.INSTANCE);
        progresses = union(context, "progress", LongSerializer.INSTANCE);
        seams = union(context, "seam", StringSerializer.INSTANCE);
        frontier = context.isRestored() ? Long.MIN_VALUE : begun.afterMs;
        for (long one : frontiers.get()) frontier = Math.max(frontier, one);
        newest = context.isRestored() ? Long.MIN_VALUE : begun.afterMs;
        for (long one : progresses.get()) newest = Math.max(newest, one);
        seen = begun;
        for (String one : seams.get()) seen = begun.restored(one);
        isRestored = context.isRestored();
    }

    private static <T> ListState<T> union(StateInitializationContext context, String name, TypeSerializer<T> serializer)
            throws Exception {
        return context.getOperatorStateStore().getUnionListState(new ListStateDescriptor<>(name, serializer));
    }

    @Override
    public void open() throws Exception {
        super.open();
        held = getRuntimeContext()
                .getMapState(new MapStateDescriptor<>("held", LongSerializer.INSTANCE, new ListSerializer<>(serializer)));
        timers = getInternalTimerService("order", VoidNamespaceSerializer.INSTANCE, this);
        tail = new GenericRowData(1);
        output = new JoinedRowData();
        record = new StreamRecord<>(output);
        startedMs = getProcessingTimeService().getCurrentProcessingTime();
        lookAgain();
    }

    @Override
    public void processElement(StreamRecord<RowData> element) throws Exception {
        isActive = true;
        RowData row = element.getValue();
        boolean isBefore = seen.isBefore(row);
        if (!row.isNullAt(Kernel.IN_LETTER)) {
            if (isBefore) return;
            give(row, null);
            return;
        }
        long time = row.getLong(Kernel.IN_EVENT_TIME);
        if (isBefore && time <= seen.afterMs) return;
        newest = Math.max(newest, seen.progress(row));
        if (time <= frontier) {
            give(row, frontier + latenessMs);
            return;
        }
        List<RowData> same = held.get(time);
        if (same == null) {
            same = new ArrayList<>(1);
            timers.registerEventTimeTimer(VoidNamespace.INSTANCE, time + latenessMs);
        }
        same.add(serializer.copy(row));
        held.put(time, same);
    }

    @Override
    public void processWatermark(Watermark mark) throws Exception {
        isActive = true;
        frontier = Math.max(frontier, mark.getTimestamp() - latenessMs);
        super.processWatermark(mark);
    }

    @Override
    public void onEventTime(InternalTimer<Object, VoidNamespace> timer) throws Exception {
        long time = timer.getTimestamp() - latenessMs;
        for (RowData row : held.get(time)) give(row, null);
        held.remove(time);
        frontier = Math.max(frontier, time);
    }

    @Override
    public void onProcessingTime(InternalTimer<Object, VoidNamespace> timer) {
        throw new IllegalStateException("no timer of processing time is set");
    }

    private void give(RowData row, Long watermark) {
        tail.setField(0, watermark);
        super.output.collect(record.replace(output.replace(row, tail)));
    }

    private void lookAgain() {
        long at = getProcessingTimeService().getCurrentProcessingTime() + quietMs;
        getProcessingTimeService().registerTimer(at, this::look);
    }

    private void look(long now) throws Exception {
        hasBegun |= isActive || !isRestored || now - startedMs >= LEAST_AFTER_RESTART_MS;
        // The timers alone are told: downstream and in truth the watermark stands where it stood.
        if (!isActive && hasBegun && newest >= 0) timeServiceManager.advanceWatermark(new Watermark(newest + latenessMs));
        isActive = false;
        lookAgain();
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        super.snapshotState(context);
        frontiers.update(Collections.singletonList(frontier));
        progresses.update(Collections.singletonList(newest));
        seams.update(Collections.singletonList(seen.text()));
    }
}
