r"""The regular expressions that a contract may use: those that Python, Java and RE2 read alike.

Literals, `.`, `[…]` with ranges, `^`, `$`, `|`, `(…)`, `(?:…)`, `*`, `+`, `?`, `{n}`, `{n,}`, `{n,m}` and their lazy
forms, `\d \D \w \W \n \t` and escaped punctuation. Classes are ASCII, `.` is everything but a line feed, and a pattern
matches the whole value.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from headrace_ingestion.problems import DeclarationProblem

_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_CLASS = re.compile(r"\[\^?[^\]]+\]")
_REFUSED = (
    (re.compile(r"\(\?(?!:)"), "a group that starts with (? (look-around, flag, name)", "(?:…)"),
    (re.compile(r"[\[\]]"), "a [ or ] without its partner, or an empty class", r"\[ or \]"),
    (re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\+"), "a possessive quantifier", "the quantifier without its last +"),
    (re.compile(r"\{(?!\d{1,3}(?:,\d{0,3})?\})"), "a { that is no repetition of at most 999", r"\{"),
)


def compile_pattern(pattern: str) -> Callable[[str], object]:
    """Return a predicate: is the whole of a string described by `pattern`?

    Raises:
        DeclarationProblem: `pattern` is no regular expression, or one that the engines read differently.
    """
    # An escaped character is no operator, and neither is one within a class.
    unescaped = _ESCAPE.sub(lambda match: _plain(pattern, match[1]), pattern)
    for members in _CLASS.findall(unescaped):
        if "[" in members[1:] or any(doubled in members for doubled in ("&&", "--", "~~", "||")):
            raise _problem(pattern, f"an operation on classes: {members}", "one class such as [A-Za-z_]")
    outside = _CLASS.sub("C", unescaped)
    for form, what, instead in _REFUSED:
        if form.search(outside):
            raise _problem(pattern, what, instead)
    try:
        return re.compile(pattern, re.ASCII).fullmatch
    except (re.error, OverflowError) as error:
        raise DeclarationProblem(
            f"the pattern {pattern!r} is not a regular expression: {error}",
            {"expected": "a regular expression of the whole value"},
            "^[A-Z]{2}$",
        ) from error


def _plain(pattern: str, escaped: str) -> str:
    if escaped.isalnum() and escaped not in "dDwWnt":
        raise _problem(pattern, rf"the escape \{escaped}", r"one of \d \D \w \W \n \t, or a class such as [ \t]")
    return "E"


def _problem(pattern: str, what: str, instead: str) -> DeclarationProblem:
    return DeclarationProblem(
        f"the pattern {pattern!r} has {what}",
        {"expected": "a regular expression that Python, Java and RE2 read alike"},
        instead,
    )
