"""What the schemas of a project accept, and what they cannot say."""

from functools import cache
from typing import Any

import jsonschema

from headrace.schemas import project_schema

Steps = tuple[str | int, ...]
"""Names and places in lists, from the top of a declaration down to a value."""

# What a schema cannot say, as docs/editors.md tells it, and what the reader says then.
CANNOT_SAY = {
    ("event", "`key` and `time` name fields of the event, of fitting types, that are required"):
        r"'(key|time)' (names the field|is the field)",
    ("event", "`minimum` is not above `maximum`"): r"'minimum' .* is above 'maximum'",
    ("event", "`scale` is not above `precision`, nor `min_items` above `max_items`"):
        r"'(scale|min_items)' .* is above",
    ("event", "`min_in_sync` is not above `replication`"): r"'min_in_sync' .* is above",
    ("event", "`access` names fields of the event: those of `sort` have an order, that of `partition` has few values"):
        r"'(sort|partition)' names the field",
    ("event", "a `default` is a value that the field accepts"): r"the default of '\w+' is one that the field refuses",
    ("event", "a `pattern` is a regular expression that Python, Java and RE2 read alike"):
        r"the pattern .* (has|is not)",
    ("event", "`merge` and `join` name events and fields that fit each other"): r"which nobody sends and no join makes",
    ("features", "names and expressions fit the event, and each other: every name that is read exists and has a "
                 "fitting type, every column has a name of its own"):
        r"'source' names the event|'key' names|reads the field|which is a (string|bool|timestamp|double)|"
        r"(expression|derive) '\w*'|'where'|the column|the suffix",
    ("features", "`over` of a ratio is shorter than `per`, and a ratio does not take `ewma`"): r"a ratio (has|does)",
    ("features", "a window with `ewma` is one of time and at most 256 half-lives long"): r"'ewma' over .* does not fit",
    ("features", "`resolution` is shorter than the window, and goes with statistics that follow from those of parts"):
        r"'resolution' (does not go|is not shorter)",
    ("features", "`retain` is not shorter than the longest window"): r"'retain' is shorter",
    ("features", "a share in `quantile` has at most six decimals"): r"is not a quantile",
    ("model", "the shares of `split` add up to 1"): r"the shares of 'split' add up",
    ("rollup", "the event has the fields, of fitting types, and every column has a name of its own"):
        r"reads the field|has the column .* twice",
    ("rollup", "`every` is more than 0 and at most 366d"): r"'every' is no length of a pane",
    ("sink", "`url` is an address of HTTP without a login"): r"'url' (is no address|holds a login)",
    ("sink", "`timeout` is more than 0"): r"is no time in which an answer can come",
    ("sink", "every `$` in `url` and `headers` begins a variable, `${NAME}`"): r"has a \$ that begins no variable",
    ("sink", "`headers` are names of HTTP that a sink does not set itself"): r"is no header that a sink can set",
    ("external", "a column has a type of DuckDB"): r"is no type of column",
    ("quality", "the table has the columns, of fitting types, and rules of a table have names of their own"):
        r"has no column|a range is of numbers|two rules are called",
    ("policy", "`where` is SQL, and goes with `sql:read` alone; `mask` goes with what may be read"):
        r"'where' is a condition|'mask' is for|the expression cannot be read",
    ("policy", "names of rules differ"): r"two rules have the name",
    ("settings", "what the environment may complete: a login is complete, `valkey` has a `url`"):
        r"security_protocol \w+ lacks|and security_protocol is|online.url is not given",
    ("settings", "a number in quotes, or a port in `bootstrap_servers`, is in its range"):
        r"is not host:port|'[\w.]+' is '",
    ("all", "a duration is at most 36500d"): r"is too long a duration|is not the extent of a window",
    ("all", "a whole number is not written as `1.0`"): r"' (of \w+ )?is -?\d+\.0\b",
}  # fmt: skip


@cache
def validator(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(project_schema(kind))


def accepts(kind: str, data: Any) -> bool:
    accepted: bool = validator(kind).is_valid(data)
    return accepted
