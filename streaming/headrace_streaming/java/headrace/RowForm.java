package headrace;

/** How the value of a row is written. */
interface RowForm {
    /**
     * Returns the value of a row.
     *
     * @param shown Places of the features that it shows, in their order.
     */
    byte[] of(Head head, Cells cells, int[] shown);

    /** Returns a row whose last features were left out, with their values; they are as Flink holds them inside. */
    byte[] completed(byte[] row, Object[] values);
}
