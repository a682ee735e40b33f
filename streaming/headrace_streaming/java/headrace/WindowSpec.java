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
        private final String kind;
        private final int column;
        private final Kind of;
        private final int by;
        private final AggregateSpec aggregate;

        PartSpec(String kind, int column, Kind of, int keeps, int by, long halfLifeMs) {
            this.kind = kind;
            this.column = column;
            this.of = of;
            this.by = by;
            aggregate = kind.equals("aggregate") ? new AggregateSpec(keeps, column, of, halfLifeMs) : null;
        }

        Part create() {
            switch (kind) {
                case "aggregate":
                    return new Aggregate(aggregate);
                case "values":
                    return new Values(column, of);
                case "ordered":
                    return new Ordered(column, of);
                case "ends":
                    return new Ends(column);
                case "groups":
                    return new Groups(column, of, by);
                default:
                    throw new IllegalArgumentException("no part of a window is called '" + kind + "'");
            }
        }
    }
}
