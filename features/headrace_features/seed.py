"""What a job needs of each key to go on behind a backfill, as files that its kernel reads; see `duckdb_seed`."""

from __future__ import annotations

from pathlib import Path

import duckdb

from headrace_features.duckdb_seed import seed_sql
from headrace_features.duckdb_text import text
from headrace_features.view import View


def write_seed(connection: duckdb.DuckDBPyConnection, view: View, folder: Path, part: int = 0) -> int:
    """Write the events to go on from, of the keys in the relation `accepted`, and return how many they are.

    Args:
        connection: Where `accepted` is: the events up to the seam, as `compile_view` reads them.
        view: The view.
        folder: Where the file is written; made when it is missing.
        part: Number of the file. A key has all its events in one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"part-{part:05d}.json.gz"
    (rows,) = connection.execute(
        f"COPY ({seed_sql(view)}) TO {text(str(file))} (FORMAT json, COMPRESSION gzip)"
    ).fetchall()[0]
    return int(rows)
