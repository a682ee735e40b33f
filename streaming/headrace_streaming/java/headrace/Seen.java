package headrace;

import java.io.Serializable;
import org.apache.flink.table.data.RowData;

/**
 * What a job in the order of event times begins with: how far time had come, and which events were counted before.
 *
 * <p>Events whose time had come when a backfill was made have their rows. Those that may be known only later do not: the job reads
 * them once more, between events that it has to pass over.
 */
final class Seen implements Serializable {
    private static final long serialVersionUID = 1L;
    /** Columns of the inputs of kernels. */
    private static final int PARTITION = 4;

    private static final int OFFSET = 5;

    /** Column with how far time has come; -1: the event time says it. */
    final int progress;
    /** All events up to this instant have gone on before. */
    final long afterMs;

    final String counted;
    private final Offsets offsets;

    /** @param counted Partition → offset before which events up to {@code afterMs} were counted, as a JSON object. */
    Seen(int progress, long afterMs, String counted) {
        this.progress = progress;
        this.afterMs = afterMs;
        this.counted = counted;
        this.offsets = Offsets.parse(counted);
    }

    /** Returns what a job that goes on from state began with; the text is that of {@link #text}. */
    Seen restored(String text) {
        int end = text.indexOf(' ');
        return new Seen(progress, Long.parseLong(text.substring(0, end)), text.substring(end + 1));
    }

    /** What is to be remembered in state. */
    String text() {
        return afterMs + " " + counted;
    }

    /** Whether the row is of a record before the seam, dead letters included. */
    boolean isBefore(RowData row) {
        return !offsets.isEmpty() && offsets.isBefore(row.getInt(PARTITION), row.getLong(OFFSET));
    }

    /** How far time has come with an event. */
    long progress(RowData row) {
        return row.getLong(progress < 0 ? Kernel.IN_EVENT_TIME : progress);
    }
}
