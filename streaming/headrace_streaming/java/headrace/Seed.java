package headrace;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.zip.GZIPInputStream;
import org.apache.flink.core.fs.FileStatus;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.Path;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.data.StringData;

/**
 * What a job goes on from that has no state yet: events of each key as a backfill left them, oldest first.
 *
 * <p>A folder of {@code *.json.gz} with one event a line: {@code key}, {@code clock}, {@code generation}, {@code at}, {@code id},
 * {@code i0}, {@code i1}, … All events of a key stand together in one file.
 */
final class Seed {
    private static final int BUFFER_BYTES = 1 << 16;
    private final ObjectMapper mapper = new ObjectMapper();
    private final Path folder;
    private final String keyType;

    Seed(String folder, String keyType) {
        this.folder = new Path(folder);
        this.keyType = keyType;
    }

    /** What becomes of the events. */
    interface Reader {
        /** Whether the key belongs to whom the events are told; then its events follow. */
        boolean begin(Object key) throws Exception;

        void event(JsonNode event) throws Exception;

        /** All events of the key were told. */
        void end() throws Exception;
    }

    void read(Reader reader) throws Exception {
        FileSystem files = folder.getFileSystem();
        for (FileStatus file : files.listStatus(folder)) {
            if (file.getPath().getName().endsWith(".json.gz")) read(files.open(file.getPath()), reader);
        }
    }

    private void read(InputStream stream, Reader reader) throws Exception {
        try (BufferedReader lines = new BufferedReader(
                new InputStreamReader(new GZIPInputStream(stream, BUFFER_BYTES), StandardCharsets.UTF_8), BUFFER_BYTES)) {
            JsonNode key = null;
            boolean isWanted = false;
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                JsonNode event = mapper.readTree(line);
                if (!event.get("key").equals(key)) {
                    if (isWanted) reader.end();
                    key = event.get("key");
                    isWanted = reader.begin(key(key));
                }
                if (isWanted) reader.event(event);
            }
            if (isWanted) reader.end();
        }
    }

    private Object key(JsonNode key) throws IOException {
        switch (keyType) {
            case "string":
                return StringData.fromString(key.asText());
            case "int":
                return key.intValue();
            default:
                return key.longValue();
        }
    }
}
