"""Evaluates SQL over rows in Flink, in one job: `evaluate_expressions.py FILE`; the file is overwritten by the values.

The file holds a pickle of (SQL expressions, rows) and then one of a list of values a row.
"""

import os
import pickle
import sys
from pathlib import Path

from expression_cases import NAMES
from flink_cluster import SHORT_LIVED
from headrace_streaming.job import table_environment

from headrace.stack.java import java_home

_TYPES = {"DOUBLE": "DOUBLE", "BIGINT": "BIGINT", "VARCHAR": "STRING", "BOOLEAN": "BOOLEAN"}


def main(file: Path) -> None:
    os.environ["JAVA_HOME"] = str(java_home())
    os.environ["FLINK_LOG_DIR"] = str(file.parent)
    os.environ["JVM_ARGS"] = " ".join(SHORT_LIVED)
    expressions, rows = pickle.loads(file.read_bytes())
    environment = table_environment({"parallelism.default": "1"})
    from pyflink.table import DataTypes

    fields = [DataTypes.FIELD("i", DataTypes.INT())]
    fields += [DataTypes.FIELD(name, getattr(DataTypes, _TYPES[kind])()) for name, (_, kind) in NAMES.items()]
    # Not VALUES: what is constant is computed while the job is planned, by other means.
    given = environment.from_elements([(index, *row.values()) for index, row in enumerate(rows)], DataTypes.ROW(fields))
    environment.create_temporary_view("given", given)
    values = ", ".join(f"{sql} AS `_{index}`" for index, sql in enumerate(expressions))
    with environment.execute_sql(f"SELECT `i`, {values} FROM given").collect() as found:
        by_row = {row[0]: [row[place + 1] for place in range(len(expressions))] for row in found}
    file.write_bytes(pickle.dumps([by_row[index] for index in range(len(rows))]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
