package headrace;

/** A row as a JSON object. */
final class JsonRow implements RowForm {
    private final byte[] lead;
    private final byte[][] head;
    private final byte[][] shown;
    private final byte[][] last;
    private final boolean isTextKey;
    private final JsonBuffer buffer = new JsonBuffer();

    /**
     * @param lead How every row begins.
     * @param head Members of a {@link Head}.
     * @param shown Members of the features of the kernel.
     * @param last Members of the features that expressions give; where there are some, a row is left open for them.
     */
    JsonRow(byte[] lead, byte[][] head, byte[][] shown, byte[][] last, boolean isTextKey) {
        this.lead = lead;
        this.head = head;
        this.shown = shown;
        this.last = last;
        this.isTextKey = isTextKey;
    }

    @Override
    public byte[] of(Head row, Cells cells, int[] places) {
        buffer.clear();
        buffer.raw(lead);
        buffer.raw(head[0]);
        buffer.text(row.eventId);
        buffer.raw(head[1]);
        if (isTextKey) buffer.text(row.key);
        else buffer.raw(row.key);
        whole(2, row.eventTimeMs);
        whole(3, row.clockMs);
        whole(4, row.generation);
        whole(5, row.partition);
        whole(6, row.offset);
        whole(7, row.ingestedAtMs);
        whole(8, row.emittedAtMs);
        for (int i = 0; i < places.length; i++) {
            buffer.raw(shown[i]);
            cell(cells, places[i]);
        }
        return last.length == 0 ? buffer.end() : buffer.copy();
    }

    private void whole(int member, long value) {
        buffer.raw(head[member]);
        buffer.whole(value);
    }

    private void cell(Cells cells, int place) {
        switch (cells.kind(place)) {
            case Cells.REAL:
                buffer.real(cells.real(place));
                return;
            case Cells.WHOLE:
                buffer.whole(cells.whole(place));
                return;
            default:
                buffer.value(cells.value(place));
        }
    }

    @Override
    public byte[] completed(byte[] row, Object[] values) {
        buffer.clear();
        buffer.raw(row);
        for (int i = 0; i < values.length; i++) buffer.member(last[i], values[i]);
        return buffer.end();
    }
}
