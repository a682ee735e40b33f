package headrace;

import java.time.DayOfWeek;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.temporal.IsoFields;
import java.time.zone.ZoneRules;

/** Parts of an instant in a time zone, all counted as people do: Monday is 1, January is 1, ISO weeks. */
final class LocalTime {
    private static final long MINUTE_MS = 60_000;
    private static final long HOUR_MS = 3_600_000;
    private static final long DAY_MS = 86_400_000;
    private static final int HOURS_OF_DAY = 24;
    /** Null where the offset is zero for ever. */
    private final ZoneRules zone;

    LocalTime(ZoneId zone) {
        this.zone = zone.normalized().equals(ZoneOffset.UTC) ? null : zone.getRules();
    }

    private long local(long epochMs) {
        if (zone == null) return epochMs;
        return epochMs + zone.getOffset(Instant.ofEpochMilli(epochMs)).getTotalSeconds() * 1000L;
    }

    /** 0 for the hour that begins on Monday at midnight, up to 167. */
    long hourOfWeek(long epochMs) {
        return (part("day_of_week", epochMs) - 1) * HOURS_OF_DAY + part("hour", epochMs);
    }

    long part(String name, long epochMs) {
        long local = local(epochMs);
        switch (name) {
            case "minute_of_day":
                return Math.floorMod(local, DAY_MS) / MINUTE_MS;
            case "hour":
                return Math.floorMod(local, DAY_MS) / HOUR_MS;
            case "day_of_week":
                // 1970-01-01 was a Thursday.
                return Math.floorMod(Math.floorDiv(local, DAY_MS) + DayOfWeek.THURSDAY.getValue() - 1, 7L) + 1;
            default:
                return part(name, LocalDate.ofEpochDay(Math.floorDiv(local, DAY_MS)));
        }
    }

    private static long part(String name, LocalDate date) {
        switch (name) {
            case "day":
                return date.getDayOfMonth();
            case "week":
                return date.get(IsoFields.WEEK_OF_WEEK_BASED_YEAR);
            case "day_of_year":
                return date.getDayOfYear();
            case "month":
                return date.getMonthValue();
            case "quarter":
                return date.get(IsoFields.QUARTER_OF_YEAR);
            default:
                throw new IllegalArgumentException("an instant has no part '" + name + "'");
        }
    }
}
