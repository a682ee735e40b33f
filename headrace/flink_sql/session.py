"""A session of Flink SQL inside this process: the topics of a project as tables, statements that only read."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace_ingestion.errors import HeadraceError
from headrace_lake.tables import TableSpec

from headrace.flink import flink_environment, kafka_properties
from headrace.flink_sql.tables import Reading, Start, declare
from headrace.project import Project
from headrace.stack.jars import fetch
from headrace.tables import project_tables

if TYPE_CHECKING:
    from pyflink.table import TableEnvironment, TableResult

_ROW = "org.apache.flink.types.Row"
_READS = ("QueryOperation", "ExplainOperation", "DescribeTableOperation")


class FlinkSqlError(HeadraceError):
    """Flink cannot run a statement, or it would do more than read."""


@dataclass(frozen=True)
class FlinkAnswer:
    """What a statement gives.

    Attributes:
        columns: Names of its columns.
        result: Flink's handle of it.
        limit: Most rows that are asked for; None: all.
        is_changing: Whether rows say that they take others back, in a column of their own before the rest.
    """

    columns: tuple[str, ...]
    result: TableResult
    limit: int | None
    is_changing: bool

    def rows(self) -> Generator[list[Any], None, None]:
        """Yield the rows as plain values; the job ends with the last one, or when nobody asks any more.

        Raises:
            FlinkSqlError: The statement fails on the records.
        """
        from py4j.protocol import Py4JJavaError

        client = self.result.get_job_client()
        left = self.limit
        try:
            # PyFlink's own way of rows, by pickle, knows neither instants nor maps.
            found = self.result._j_table_result.collect()
            while left != 0 and found.hasNext():
                row = found.next()
                kind = [str(row.getKind().shortString())] if self.is_changing else []
                yield [*kind, *(_plain(row.getField(place)) for place in range(row.getArity()))]
                left = None if left is None else left - 1
        except Py4JJavaError as error:
            raise _refused(error, "the statement fails") from error
        finally:
            if client is not None:
                # One that has ended cannot be ended, which is as well.
                with suppress(Py4JJavaError):
                    client.cancel().result()


class FlinkSql:
    """Runs statements over the topics of a project by a Flink of its own.

    Args:
        project: The project; its brokers must run.
        start: Where reading begins.
        follow: Whether it goes on with what comes; else it ends with what is there.

    Raises:
        NotRunningError: The stack of the project is down.
        JarError: The connector cannot be fetched.
    """

    def __init__(self, project: Project, start: Start = "earliest", *, follow: bool = False) -> None:
        connection = project.connection()
        self._follow = follow
        self._specs, self._binary = _readable(project)
        reading = Reading(connection.bootstrap_servers, kafka_properties(connection), start, follow)
        self._tables = _environment(project, follow=follow)
        for schema in dict.fromkeys(spec.schema for spec in self._specs):
            self._tables.execute_sql(f"CREATE DATABASE IF NOT EXISTS `{schema}`")
        for spec in self._specs:
            self._tables.execute_sql(declare(spec, reading))

    def run(self, statement: str, limit: int | None = None) -> FlinkAnswer:
        """Run a statement.

        Args:
            statement: SELECT, EXPLAIN, DESCRIBE or SHOW.
            limit: Most rows; None: all.

        Raises:
            FlinkSqlError: It is of another kind, or Flink refuses it.
        """
        from py4j.protocol import Py4JError
        from pyflink.util.exceptions import JavaException

        text = statement.strip().rstrip(";")
        try:
            self._check_only_reads(text)
            result = self._tables.execute_sql(text)
        except (Py4JError, JavaException) as error:
            raise _refused(error, "Flink refuses the statement", self._facts()) from error
        columns = tuple(result.get_resolved_schema().get_column_names())
        is_changing = self._follow and result.get_job_client() is not None
        return FlinkAnswer(("op", *columns) if is_changing else columns, result, limit, is_changing)

    def _check_only_reads(self, text: str) -> None:
        operations = list(self._tables._j_tenv.getParser().parse(text))
        kinds = [str(operation.getClass().getSimpleName()) for operation in operations]
        if len(kinds) != 1 or not (kinds[0].endswith(_READS) or kinds[0].startswith("Show")):
            raise FlinkSqlError(
                f"the statement is no reading one: {', '.join(kinds) or 'nothing'}",
                {"expected": "one of SELECT, EXPLAIN, DESCRIBE, SHOW"},
                "SELECT * FROM events.… LIMIT 10",
            )

    def _facts(self) -> dict[str, str]:
        tables = ", ".join(spec.full_name for spec in self._specs)
        return {"tables": tables, "of binary rows": ", ".join(self._binary)}


def _readable(project: Project) -> tuple[Sequence[TableSpec], Sequence[str]]:
    """Return the tables whose records are JSON, and the names of those whose are not."""
    binary = {f"features.{view.name}" for view in project.views.values() if view.encoding == "binary"}
    specs = project_tables(project)
    return [spec for spec in specs if spec.full_name not in binary], sorted(binary)


def _environment(project: Project, *, follow: bool) -> TableEnvironment:
    os.environ.update(flink_environment(project, "sql"))
    from headrace_streaming.job import quiet_imports

    quiet_imports()
    # Beam, which PyFlink imports, misses by the root logger what nobody asked for.
    logging.disable(logging.WARNING)
    try:
        return _made([jar.absolute().as_uri() for jar in fetch(["flink"])], follow=follow)
    finally:
        logging.disable(logging.NOTSET)


def _made(jars: list[str], *, follow: bool) -> TableEnvironment:
    from pyflink.common import Configuration
    from pyflink.table import EnvironmentSettings, TableEnvironment
    from pyflink.util.java_utils import add_jars_to_context_class_loader

    configuration = Configuration()
    for name, value in {
        "pipeline.name": "headrace events sql",
        "pipeline.jars": ";".join(jars),
        "parallelism.default": "1",
        "table.local-time-zone": "UTC",
        # Hints could send a query to other brokers.
        "table.dynamic-table-options.enabled": "false",
        "table.exec.source.idle-timeout": "1 s",
    }.items():
        configuration.set_string(name, value)
    settings = EnvironmentSettings.new_instance().with_configuration(configuration)
    tables = TableEnvironment.create((settings if follow else settings.in_batch_mode()).build())
    add_jars_to_context_class_loader(jars)
    return tables


def _plain(value: Any) -> Any:
    """Return a Java value of a row as JSON knows it: times as text, nested rows as objects."""
    from py4j.java_collections import JavaArray, JavaList, JavaMap
    from py4j.java_gateway import JavaObject

    if isinstance(value, (bytes, bytearray)):
        return value.decode(errors="replace")
    if isinstance(value, JavaMap):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (JavaArray, JavaList)):
        return [_plain(one) for one in value]
    if not isinstance(value, JavaObject):
        return value
    if value.getClass().getName() == _ROW:
        names = list(value.getFieldNames(True) or map(str, range(value.getArity())))
        return {name: _plain(value.getField(place)) for place, name in enumerate(names)}
    return str(value.toString())


def _refused(error: Exception, what: str, facts: dict[str, str] | None = None) -> FlinkSqlError:
    return FlinkSqlError(f"{what}: {_innermost(error)}", facts or {}, 'headrace events sql "DESCRIBE events.call"')


def _innermost(error: Exception) -> str:
    """Return the first line of the deepest cause that says something."""
    cause = getattr(error, "java_exception", None)
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    while cause is not None:
        said = cause.getMessage()
        text = str(said).strip().splitlines()[0] if said and str(said).strip() else text
        cause = cause.getCause()
    return text
