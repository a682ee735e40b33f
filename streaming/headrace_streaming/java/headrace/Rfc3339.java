package headrace;

/** Timestamps of RFC 3339 with a zone, cut to milliseconds, and its dates. */
final class Rfc3339 {
    static final long NONE = Long.MIN_VALUE;
    /** 9999-12-31T23:59:59.999Z. */
    static final long LATEST_MS = 253_402_300_799_999L;

    private static final int[] DAYS = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    private Rfc3339() {}

    /** Milliseconds since 1970 of {@code 2026-01-31T23:59:59.123Z} and the like, or NONE. */
    static long epochMs(String text) {
        int length = text.length();
        if (length < 20 || text.charAt(4) != '-' || text.charAt(7) != '-' || text.charAt(10) != 'T') return NONE;
        if (text.charAt(13) != ':' || text.charAt(16) != ':') return NONE;
        int year = digits(text, 0, 4);
        int month = digits(text, 5, 7);
        int day = digits(text, 8, 10);
        int hour = digits(text, 11, 13);
        int minute = digits(text, 14, 16);
        int second = digits(text, 17, 19);
        if (year < 0 || month < 1 || month > 12 || day < 1 || day > days(year, month)) return NONE;
        if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return NONE;
        int position = 19;
        int millis = 0;
        if (text.charAt(position) == '.') {
            int end = position + 1;
            while (end < length && isDigit(text.charAt(end))) end++;
            if (end == position + 1) return NONE;
            for (int i = 1; i <= 3; i++) millis = millis * 10 + (position + i < end ? text.charAt(position + i) - '0' : 0);
            position = end;
        }
        long offset = offsetMs(text, position);
        if (offset == NONE) return NONE;
        return ((epochDay(year, month, day) * 24 + hour) * 60 + minute) * 60_000L + second * 1000L + millis - offset;
    }

    /** Whether the text is {@code 2026-01-31} and the like: a real day of the years 1 to 9999. */
    static boolean isDate(String text) {
        if (text.length() != 10 || text.charAt(4) != '-' || text.charAt(7) != '-') return false;
        int year = digits(text, 0, 4);
        int month = digits(text, 5, 7);
        int day = digits(text, 8, 10);
        return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= days(year, month);
    }

    private static long offsetMs(String text, int position) {
        int rest = text.length() - position;
        if (rest == 1) return text.charAt(position) == 'Z' ? 0 : NONE;
        if (rest != 6 || text.charAt(position + 3) != ':') return NONE;
        char sign = text.charAt(position);
        int hours = digits(text, position + 1, position + 3);
        int minutes = digits(text, position + 4, position + 6);
        if (sign != '+' && sign != '-' || hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return NONE;
        return (sign == '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000L;
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }

    private static int digits(String text, int from, int to) {
        int value = 0;
        for (int i = from; i < to; i++) {
            char c = text.charAt(i);
            if (!isDigit(c)) return -1;
            value = value * 10 + c - '0';
        }
        return value;
    }

    private static int days(int year, int month) {
        boolean leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        return month == 2 && leap ? 29 : DAYS[month - 1];
    }

    /** Days since 1970-01-01 in the proleptic Gregorian calendar, counting years from March. */
    private static long epochDay(int year, int month, int day) {
        long y = month <= 2 ? year - 1 : year;
        long dayOfYear = (153L * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        return y * 365 + Math.floorDiv(y, 4) - Math.floorDiv(y, 100) + Math.floorDiv(y, 400) + dayOfYear - 719_468;
    }
}
