"""A conversation in SQL: history, completion over tables and columns, Ctrl-C cancels the query and not the talk."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from headrace_ingestion.errors import HeadraceError
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer

from headrace.cli.lake_sql import Asking, Form
from headrace.queries import named_queries, named_query

_HELP = """\
end a query with ; and it is asked, over several lines if you like
  .tables           the tables          .columns TABLE   its columns
  .queries          the named queries   .run NAME        one of them
  .param NAME=VALUE value of $NAME      .format FORM     table, csv or json
  .quit             or Ctrl-D"""
_KEYWORDS = re.findall(
    r"\w+",
    """select from where group by order limit having with as on using join left asof union all distinct count sum avg
    min max and or not in is null between like case when then else end desc asc interval describe summarize explain""",
)
_DOTTED = re.compile(r"[\w.]*$")
_FORMS: Mapping[str, Form] = {"table": "table", "csv": "csv", "json": "json"}


class SqlCompleter(Completer):
    """Proposes tables, the columns of the tables that the text names, and words of SQL.

    Args:
        columns: `<schema>.<table>` → its columns.
        queries: Names of the named queries.
    """

    def __init__(self, columns: Mapping[str, Iterable[str]], queries: Iterable[str] = ()) -> None:
        self._columns = {table: list(names) for table, names in columns.items()}
        self._queries = list(queries)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Return what may follow at the cursor."""
        before = document.text_before_cursor
        if before.startswith(".run "):
            yield from self._matching(before.removeprefix(".run "), self._queries, "query")
            return
        found = _DOTTED.search(before)
        word = found.group() if found else ""
        yield from self._matching(word, self._columns, "table")
        named = [columns for table, columns in self._columns.items() if table in document.text]
        # `c.du` is a column of whatever c is; the start of `events.ca` is none.
        is_of_schema = any(table.startswith(f"{word.rpartition('.')[0]}.") for table in self._columns)
        if not is_of_schema:
            last = word.rpartition(".")[2]
            yield from self._matching(last, dict.fromkeys(name for names in named for name in names), "column")
        if word and "." not in word:
            yield from self._matching(word, _KEYWORDS, "")

    @staticmethod
    def _matching(word: str, names: Iterable[str], kind: str) -> Iterator[Completion]:
        for name in names:
            if name.lower().startswith(word.lower()) and name != word:
                yield Completion(name, start_position=-len(word), display_meta=kind)


@dataclass
class Talk:
    """What is said between two people: a line at a time.

    Attributes:
        asking: How queries are asked.
        parameters: Values of `$name`.
        is_over: Whether `.quit` was said.
    """

    asking: Asking
    parameters: dict[str, str] = field(default_factory=dict)
    is_over: bool = False

    def say(self, line: str) -> None:
        """Answer a query or a command of the talk.

        Raises:
            HeadraceError: It is wrong.
        """
        text = line.strip().rstrip(";").strip()
        if text.startswith("."):
            command, _, rest = text.partition(" ")
            self._obey(command, rest.strip())
        elif text:
            self.asking.ask(text, self._needed(text))

    def _obey(self, command: str, rest: str) -> None:
        call = self.asking.call
        if command in (".quit", ".exit"):
            self.is_over = True
        elif command == ".tables":
            names = [*call.project.lake.schemas(), *call.project.lake.external()]
            call.output.table(("table",), [(name,) for name in names])
        elif command == ".columns":
            self.asking.ask(f"describe {rest}", {})
        elif command == ".queries":
            rows = [(one.name, one.description) for one in named_queries(call.project).values()]
            call.output.table(("query", "description"), rows, empty="none")
        elif command == ".run":
            text = named_query(call.project, rest).text
            self.asking.ask(text, self._needed(text))
        elif command == ".param" and "=" in rest:
            name, _, value = rest.partition("=")
            self.parameters[name.strip()] = value.strip()
        elif command == ".format" and rest in _FORMS:
            self.asking = self.asking.in_form(_FORMS[rest])
        else:
            call.output.line(_HELP)

    def _needed(self, text: str) -> dict[str, str]:
        # DuckDB refuses values that a query does not ask for, and those of a talk stay.
        return {name: value for name, value in self.parameters.items() if re.search(rf"\${name}\b", text)}


def converse(asking: Asking, parameters: Mapping[str, str]) -> None:
    """Answer queries until Ctrl-D or `.quit`."""
    lake = asking.call.project.lake
    columns = {name: list(schema.names) for name, schema in lake.schemas().items()}
    columns |= {name: list(table.columns) for name, table in lake.external().items()}
    session: PromptSession[str] = PromptSession(
        "lake> ",
        history=_history(asking),
        completer=SqlCompleter(columns, named_queries(asking.call.project)),
        complete_while_typing=True,
        lexer=PygmentsLexer(SqlLexer),
        multiline=True,
        prompt_continuation="    … ",
        key_bindings=_enter_asks_after_a_semicolon(),
    )
    talk = Talk(asking, dict(parameters))
    asking.call.output.line("SQL over the lake; .help says what else there is")
    while not talk.is_over:
        try:
            talk.say(session.prompt())
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        except HeadraceError as error:
            sys.stderr.write(f"{error}\n")


def _history(asking: Asking) -> History:
    path = asking.call.project.folders.root / "sql_history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()  # a project that may only be read
    return FileHistory(str(path))


def _enter_asks_after_a_semicolon() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        text = buffer.text.strip()
        if not text or text.endswith(";") or text.startswith("."):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return keys
