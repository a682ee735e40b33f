package headrace;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** What the JSON reader lets pass and the wire format does not: other encodings, a byte order mark, half surrogates. */
final class Utf8 {
    private Utf8() {}

    static boolean isUtf8(byte[] bytes) {
        int all = 0;
        for (byte b : bytes) all |= b;
        if (all >= 0) return true;
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
            return true;
        } catch (CharacterCodingException e) {
            return false;
        }
    }

    /** False with a byte order mark, or with the zero bytes by which the JSON reader would guess another encoding. */
    static boolean isPlain(byte[] bytes) {
        for (byte b : bytes) if (b == 0) return false;
        return bytes.length < 3 || bytes[0] != (byte) 0xEF || bytes[1] != (byte) 0xBB || bytes[2] != (byte) 0xBF;
    }

    /** False where an escape left half a surrogate pair. */
    static boolean isWellFormed(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (!Character.isSurrogate(c)) continue;
            if (!Character.isHighSurrogate(c) || i + 1 == text.length() || !Character.isLowSurrogate(text.charAt(i + 1))) return false;
            i++;
        }
        return true;
    }
}
