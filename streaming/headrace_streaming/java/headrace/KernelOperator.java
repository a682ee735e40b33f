package headrace;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeutils.base.LongSerializer;
import org.apache.flink.api.common.typeutils.base.array.BytePrimitiveArraySerializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.runtime.state.CheckpointableKeyedStateBackend;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.runtime.state.internal.InternalValueState;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.table.data.RowData;

/**
 * The window kernel as an operator of a stream that is partitioned by key.
 *
 * <p>Keys in use live as objects in memory. Before each checkpoint, and when one makes room for others, what changed of a key is
 * written to Flink's state: a head, and pieces of its history that never change again. So no event rewrites a window, whatever
 * the state backend, and a checkpoint costs what changed.
 */
public final class KernelOperator extends AbstractStreamOperator<RowData> implements OneInputStreamOperator<RowData, RowData> {
    private static final long serialVersionUID = 1L;
    /** Share of the Java heap that the keys in memory of all copies of this operator may fill together; with 0 it holds one key. */
    private static final double SHARE_OF_HEAP = Double.parseDouble(System.getProperty("headrace.kernel.share-of-heap", "0.25"));

    /** Events of a key after which its memory is counted again: what a catch-up may add to it unseen. */
    private static final int COUNT_EVERY = 8;

    private final String specification;
    private final String recordSpecification;
    /** Folder of the {@link Seed} for a start without state, as a URI; empty: there is none. */
    private final String seed;

    private transient boolean isRestored;
    private transient Kernel kernel;
    private transient Records records;
    private transient Consumer<RowData> sending;
    /** What came in last; what comes of it leaves as the same. */
    private transient StreamRecord<RowData> leaving;
    private transient KeySelector key;
    private transient Pieces pieces;
    private transient DataOutputSerializer buffer;
    private transient Map<Object, KeyState> keys;
    /** How often a key was asked for. */
    private transient long uses;
    private transient List<KeyState> dirty;
    private transient long bytes;
    private transient long mostBytes;

    public KernelOperator(String specification, String recordSpecification, String seed) {
        this.specification = specification;
        this.recordSpecification = recordSpecification;
        this.seed = seed;
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        isRestored = context.isRestored();
    }

    @Override
    public void open() throws Exception {
        super.open();
        kernel = new Kernel(KernelSpec.parse(specification));
        records = new Records(RecordSpec.parse(recordSpecification), kernel.spec);
        sending = this::send;
        key = new KeySelector(kernel.spec.keyType);
        ValueStateDescriptor<byte[]> descriptor = new ValueStateDescriptor<>("pieces", BytePrimitiveArraySerializer.INSTANCE);
        ValueState<byte[]> state = getOrCreateKeyedState(LongSerializer.INSTANCE, descriptor);
        @SuppressWarnings("unchecked") // Every backend's keyed state has namespaces; the public interface does not show them.
        InternalValueState<Object, Long, byte[]> byNumber = (InternalValueState<Object, Long, byte[]>) state;
        pieces = new Pieces(byNumber);
        buffer = new DataOutputSerializer(1024);
        keys = new HashMap<>(1024);
        dirty = new ArrayList<>();
        int copies = getRuntimeContext().getTaskInfo().getNumberOfParallelSubtasks();
        mostBytes = (long) (Runtime.getRuntime().maxMemory() * SHARE_OF_HEAP / copies);
        if (!isRestored && !seed.isEmpty()) recall();
    }

    /** Puts what a backfill has left of the keys of this copy into Flink's state; they come to memory when they are used. */
    private void recall() throws Exception {
        CheckpointableKeyedStateBackend<Object> backend = (CheckpointableKeyedStateBackend<Object>) getKeyedStateBackend();
        int groups = getRuntimeContext().getTaskInfo().getMaxNumberOfParallelSubtasks();
        new Seed(seed, kernel.spec.keyType).read(new Seed.Reader() {
            private KeyState state;

            @Override
            public boolean begin(Object own) {
                if (!backend.getKeyGroupRange().contains(KeyGroupRangeAssignment.assignToKeyGroup(own, groups))) return false;
                state = new KeyState(own, kernel.spec.lanes);
                return true;
            }

            @Override
            public void event(JsonNode event) {
                kernel.recall(state, event);
            }

            @Override
            public void end() throws Exception {
                setCurrentKey(state.key);
                state.store(pieces, buffer);
            }
        });
    }

    /** The key is only set where state is read or written. */
    @Override
    public void setKeyContextElement1(StreamRecord record) {}

    @Override
    public boolean hasKeyContext1() {
        return false;
    }

    @Override
    public void processElement(StreamRecord<RowData> element) throws Exception {
        RowData input = element.getValue();
        leaving = element;
        if (!input.isNullAt(Kernel.IN_LETTER)) {
            if (kernel.spec.passesLetters) send(records.letter(input));
            return;
        }
        if (kernel.isLate(input)) {
            records.send(kernel.late(input, key.getKey(input)), kernel, input, sending);
            return;
        }
        KeyState state = state(input);
        int outcome = kernel.fold(state, input);
        if (!state.isDirty) {
            state.isDirty = true;
            dirty.add(state);
        }
        records.send(outcome, kernel, input, sending);
        if (++state.uncounted < COUNT_EVERY) return;
        count(state);
        if (bytes > mostBytes) makeRoom(null);
    }

    private void send(RowData row) {
        output.collect(leaving.replace(row));
    }

    private KeyState state(RowData input) throws Exception {
        Object name = key.name(input);
        KeyState state = keys.get(name);
        uses++;
        if (state != null) {
            state.lastUse = uses;
            return state;
        }
        Object own = key.getKey(input);
        setCurrentKey(own);
        state = KeyState.load(own, kernel.spec.lanes, pieces);
        state.lastUse = uses;
        keys.put(name, state);
        count(state);
        if (bytes > mostBytes) makeRoom(state);
        return state;
    }

    private void count(KeyState state) {
        bytes -= state.bytes;
        state.bytes = state.countBytes();
        state.uncounted = 0;
        bytes += state.bytes;
    }

    /** Forgets the keys that were not used for longest, down to nine tenths of what may be kept; not the one in use. */
    private void makeRoom(KeyState current) throws Exception {
        write();
        // A map in the order of use would touch three other keys for every event; this sorts once for a tenth of all keys.
        List<Map.Entry<Object, KeyState>> oldest = new ArrayList<>(keys.entrySet());
        oldest.sort(Comparator.comparingLong(entry -> entry.getValue().lastUse));
        for (Map.Entry<Object, KeyState> entry : oldest) {
            if (bytes <= mostBytes * 0.9) return;
            if (entry.getValue() == current) continue;
            bytes -= entry.getValue().bytes;
            keys.remove(entry.getKey());
        }
    }

    private void write() throws Exception {
        for (KeyState state : dirty) {
            setCurrentKey(state.key);
            state.store(pieces, buffer);
            count(state);
        }
        dirty.clear();
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        write();
        if (bytes > mostBytes) makeRoom(null);
        super.snapshotState(context);
    }
}
