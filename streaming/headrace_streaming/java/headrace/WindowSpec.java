package headrace;

/** One window: its extent, and the parts that know something of its columns. */
final class WindowSpec {
    /** Flags of what an aggregate keeps; the count of values is always kept. */
    static final int SUM = 1;

    static final int MOMENTS = 2;
    static final int EXTREMES = 4;
    static final int CUBES = 8;
    static final int SLOPE = 16;
    static final int DECAY = 32;

    final long lengthMs;
    final int rows;
    final PartSpec[] parts;

    WindowSpec(long lengthMs, int rows, PartSpec[] parts) {
        this.lengthMs = lengthMs;
        this.rows = rows;
        this.parts = parts;
    }

    /** A part: its kind, the lane's column it reads, and what its kind needs besides. */
    static final class PartSpec {
        final String kind;
        final int column;
        final int keeps;
        final int by;
        final long halfLifeMs;

        PartSpec(String kind, int column, int keeps, int by, long halfLifeMs) {
            this.kind = kind;
            this.column = column;
            this.keeps = keeps;
            this.by = by;
            this.halfLifeMs = halfLifeMs;
        }

        Part create(Kind[] columns) {
            switch (kind) {
                case "aggregate":
                    return new Aggregate(keeps, column, columns[column], halfLifeMs);
                case "values":
                    return new Values(column, columns[column]);
                case "ordered":
                    return new Ordered(column, columns[column]);
                case "ends":
                    return new Ends(column);
                case "groups":
                    return new Groups(column, columns[column], by);
                default:
                    throw new IllegalArgumentException("no part of a window is called '" + kind + "'");
            }
        }
    }
}
