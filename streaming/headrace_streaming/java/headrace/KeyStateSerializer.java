package headrace;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSchemaCompatibility;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * Compact form of a key's state. The layout follows from the view's specification, which stands in the serializer: state
 * folders are keyed by the hash of the compiled plan, so a state is only ever read with the specification that wrote it.
 */
public final class KeyStateSerializer extends TypeSerializer<KeyState> {
    private static final long serialVersionUID = 1L;
    private final String specification;
    private transient LaneSpec spec;

    public KeyStateSerializer(String specification) {
        this.specification = specification;
    }

    private LaneSpec spec() {
        if (spec == null) spec = KernelSpec.parse(specification).lane;
        return spec;
    }

    @Override
    public boolean isImmutableType() {
        return false;
    }

    @Override
    public TypeSerializer<KeyState> duplicate() {
        return new KeyStateSerializer(specification);
    }

    @Override
    public KeyState createInstance() {
        return new KeyState(spec());
    }

    @Override
    public KeyState copy(KeyState from) {
        return from.copy();
    }

    @Override
    public KeyState copy(KeyState from, KeyState reuse) {
        return copy(from);
    }

    @Override
    public int getLength() {
        return -1;
    }

    @Override
    public void serialize(KeyState record, DataOutputView target) throws IOException {
        record.write(target);
    }

    @Override
    public KeyState deserialize(DataInputView source) throws IOException {
        return KeyState.read(spec(), source);
    }

    @Override
    public KeyState deserialize(KeyState reuse, DataInputView source) throws IOException {
        return deserialize(source);
    }

    @Override
    public void copy(DataInputView source, DataOutputView target) throws IOException {
        serialize(deserialize(source), target);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof KeyStateSerializer && ((KeyStateSerializer) other).specification.equals(specification);
    }

    @Override
    public int hashCode() {
        return specification.hashCode();
    }

    @Override
    public TypeSerializerSnapshot<KeyState> snapshotConfiguration() {
        return new Snapshot(specification);
    }

    /** Writes the specification beside the state. */
    public static final class Snapshot implements TypeSerializerSnapshot<KeyState> {
        private String specification;

        public Snapshot() {}

        Snapshot(String specification) {
            this.specification = specification;
        }

        @Override
        public int getCurrentVersion() {
            return 1;
        }

        @Override
        public void writeSnapshot(DataOutputView out) throws IOException {
            Texts.write(specification, out);
        }

        @Override
        public void readSnapshot(int version, DataInputView in, ClassLoader loader) throws IOException {
            specification = Texts.read(in);
        }

        @Override
        public TypeSerializer<KeyState> restoreSerializer() {
            return new KeyStateSerializer(specification);
        }

        @Override
        public TypeSerializerSchemaCompatibility<KeyState> resolveSchemaCompatibility(
                TypeSerializerSnapshot<KeyState> old) {
            boolean same = old instanceof Snapshot && ((Snapshot) old).specification.equals(specification);
            return same
                    ? TypeSerializerSchemaCompatibility.compatibleAsIs()
                    : TypeSerializerSchemaCompatibility.incompatible();
        }
    }
}
