"""Errors of the lake.

HeadraceError
└── LakeError               a table or a folder of the lake is not what it has to be
    ├── LakeWriteError      (retryable) rows could not be stored; the same rows can be tried again
    ├── StoreAwayError      (retryable) the object storage of the lake cannot be asked
    ├── FilesMovedError     (retryable) upkeep wanted to replace files that somebody else has replaced and removed
    └── QueryError          a query is wrong, not allowed, or beyond its limits
"""

from __future__ import annotations

from headrace_ingestion.errors import HeadraceError, RetryableError


class LakeError(HeadraceError):
    """A table or a folder of the lake is not what it has to be."""


class LakeWriteError(LakeError, RetryableError):
    """Rows could not be stored; nothing of them stands in the table, and the same rows can be tried again."""


class StoreAwayError(LakeError, RetryableError):
    """The object storage of the lake does not answer, or does not let in."""


class FilesMovedError(LakeError, RetryableError):
    """Files were replaced and removed by somebody else while upkeep read them; a new look at the table finds others."""


class QueryError(LakeError):
    """A query is wrong, not allowed, or beyond its limits."""
