package headrace;

/** The event at hand: its inputs as lanes hold them, and its times. */
final class Current {
    final long[] numbers;
    final String[] texts;
    final boolean[] isNull;
    long eventTimeMs;
    long clockMs;

    Current(int inputs) {
        numbers = new long[inputs];
        texts = new String[inputs];
        isNull = new boolean[inputs];
    }

    boolean isTrue(int input) {
        return !isNull[input] && numbers[input] == 1;
    }
}
