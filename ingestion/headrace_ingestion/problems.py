"""What a validator of a declaration raises, so that the reader of the file can add its name and line."""

from __future__ import annotations

from collections.abc import Mapping

from headrace_ingestion.errors import four_parts


class DeclarationProblem(ValueError):  # noqa: N818  (becomes a DeclarationError)
    """A wrong value inside a declaration, without its file and line.

    Raise it in a pydantic validator; `load_document` turns it into a `DeclarationError`.

    Args:
        failure: One sentence with the name and the value of what is wrong.
        exists: Label to text: what exists or is expected, such as `{"fields": "a, b"}`.
        try_: What to type instead.
        path: Where it is, below the value that is being validated: keys and indexes.
    """

    def __init__(
        self,
        failure: str,
        exists: Mapping[str, str] | None = None,
        try_: str | None = None,
        path: tuple[str | int, ...] = (),
    ) -> None:
        super().__init__(four_parts(failure, exists, try_))
        self.failure = failure
        self.exists = dict(exists or {})
        self.try_ = try_
        self.path = path
