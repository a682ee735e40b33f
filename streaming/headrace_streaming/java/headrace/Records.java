package headrace;

import java.util.function.Consumer;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;

/**
 * The records that leave for the topics.
 *
 * <p>A row goes to the view's topic; a row of a late event also to late_events; a late event without a row only there; a
 * duplicate only to duplicates; a dead letter to dead_letters.
 *
 * <p>Columns: key, value, topic. Where expressions give some features of a row also whether it is one, which it then lacks, and
 * what they read: inputs, and features of the kernel.
 */
final class Records {
    private static final int LEAD = 4;

    private final RecordSpec spec;
    private final InputType[] types;
    private final int[] positions;
    private final boolean isOpen;
    private final int width;
    private final RowForm form;
    private final JsonBuffer ledger = new JsonBuffer();

    Records(RecordSpec spec, KernelSpec kernel) {
        this.spec = spec;
        types = kernel.types;
        positions = kernel.positions;
        isOpen = spec.isOpen();
        width = isOpen ? LEAD + spec.reads.length : LEAD - 1;
        form = spec.form();
    }

    /** The record of a dead letter. */
    RowData letter(RowData input) {
        byte[] key = input.isNullAt(Kernel.IN_RECORD_KEY) ? null : input.getBinary(Kernel.IN_RECORD_KEY);
        return record(spec.deadLetters, key, input.getBinary(Kernel.IN_LETTER));
    }

    /** Hands over the records of an event, of which the kernel has just given the outcome. */
    void send(int outcome, Kernel kernel, RowData input, Consumer<RowData> out) {
        Head head = kernel.head;
        if (outcome == Kernel.ROW || outcome == Kernel.LATE_ROW) {
            GenericRowData row = record(spec.topic, head.key, form.of(head, kernel.cells, spec.shown));
            if (isOpen) leaveOpen(row, kernel, input);
            out.accept(row);
        }
        if (outcome == Kernel.ROW) return;
        boolean isDuplicate = outcome == Kernel.DUPLICATE;
        byte[] value = entry(isDuplicate ? spec.duplicateLead : spec.lateLead, head);
        out.accept(record(isDuplicate ? spec.duplicates : spec.lateEvents, head.key, value));
    }

    private GenericRowData record(StringData topic, byte[] key, byte[] value) {
        GenericRowData row = new GenericRowData(width);
        row.setField(0, key);
        row.setField(1, value);
        row.setField(2, topic);
        if (isOpen) row.setField(LEAD - 1, false);
        return row;
    }

    private void leaveOpen(GenericRowData row, Kernel kernel, RowData input) {
        row.setField(LEAD - 1, true);
        for (int r = 0; r < spec.reads.length; r++) {
            RecordSpec.Read one = spec.reads[r];
            row.setField(LEAD + r, one.isInput ? value(kernel.current, input, one.place) : kernel.cells.value(one.place));
        }
    }

    /** An input as the kernel takes it. */
    private Object value(Current current, RowData input, int i) {
        if (current.isNull[i]) return null;
        switch (types[i]) {
            case STRING:
                return input.getString(Kernel.LEAD + positions[i]);
            case DOUBLE:
                return Double.longBitsToDouble(current.numbers[i]);
            case BOOL:
                return current.numbers[i] == 1;
            case INT:
                return (int) current.numbers[i];
            default:
                return current.numbers[i];
        }
    }

    private byte[] entry(byte[] lead, Head head) {
        ledger.clear();
        ledger.raw(lead);
        ledger.raw(spec.ledger[0]);
        ledger.text(head.eventId);
        ledger.raw(spec.ledger[1]);
        ledger.text(head.key);
        long[] numbers = {head.partition, head.offset, head.eventTimeMs, head.clockMs};
        for (int i = 0; i < numbers.length; i++) {
            ledger.raw(spec.ledger[2 + i]);
            ledger.whole(numbers[i]);
        }
        return ledger.end();
    }
}
