package headrace;

/** How an input stands in a row of Flink, and how lanes hold it. */
enum InputType {
    STRING(Kind.TEXT),
    DOUBLE(Kind.DOUBLE),
    BOOL(Kind.LONG),
    INT(Kind.LONG),
    LONG(Kind.LONG);

    final Kind kind;

    InputType(Kind kind) {
        this.kind = kind;
    }

    /** The type of a value of the contract; instants are whole numbers. */
    static InputType of(String type) {
        switch (type) {
            case "string":
                return STRING;
            case "double":
                return DOUBLE;
            case "bool":
                return BOOL;
            case "int":
                return INT;
            default:
                return LONG;
        }
    }
}
