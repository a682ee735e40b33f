"""Runs statements in sessions of their own process: `run_statements.py PROJECT BOOTSTRAP PREFIX`, requests on stdin.

A request is a JSON line `{"sql": …, "start": …, "follow": …, "limit": …}`, an answer one on stdout. The JVM that
PyFlink starts stays until its process ends.
"""

import json
import sys

from headrace_ingestion.errors import HeadraceError

import headrace
from headrace.flink_sql.session import FlinkSql


def main(folder: str, servers: str, prefix: str) -> None:
    project = headrace.open(folder, flags={"kafka.bootstrap_servers": servers, "kafka.topic_prefix": prefix})
    sessions: dict[tuple[str, bool], FlinkSql] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        how = (asked.get("start", "earliest"), asked.get("follow", False))
        try:
            if how not in sessions:
                sessions[how] = FlinkSql(project, how[0], follow=how[1])
            answer = sessions[how].run(asked["sql"], asked.get("limit"))
            found: object = {"columns": answer.columns, "rows": list(answer.rows())}
        except HeadraceError as error:
            found = {"error": str(error)}
        print(json.dumps(found, default=str), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
