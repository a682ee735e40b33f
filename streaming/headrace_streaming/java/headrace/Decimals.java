package headrace;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Decimals as the wire writes them; its twin in Python is headrace_ingestion.decimals. */
final class Decimals {
    private static final Pattern FORM = Pattern.compile("(-?)([0-9]+)(?:\\.([0-9]+))?");

    private Decimals() {}

    static boolean isDecimal(String text) {
        return FORM.matcher(text).matches();
    }

    /** Returns the decimal with exactly {@code scale} digits after the point, or null when it needs more digits than there are. */
    static String canonical(String text, int precision, int scale) {
        Matcher form = FORM.matcher(text);
        if (!form.matches()) return null;
        String digits = form.group(2);
        int first = 0;
        while (first < digits.length() && digits.charAt(first) == '0') first++;
        String whole = digits.substring(first);
        String fraction = form.group(3) == null ? "" : form.group(3);
        int last = fraction.length();
        while (last > 0 && fraction.charAt(last - 1) == '0') last--;
        fraction = fraction.substring(0, last);
        if (whole.length() > precision - scale || last > scale) return null;
        String sign = whole.isEmpty() && fraction.isEmpty() ? "" : form.group(1);
        String point = scale == 0 ? "" : "." + fraction + "0".repeat(scale - last);
        return sign + (whole.isEmpty() ? "0" : whole) + point;
    }
}
