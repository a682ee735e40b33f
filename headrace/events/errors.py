"""What can be wrong with a replay, a check or a look at events, beside what the SDK itself says."""

from __future__ import annotations

from headrace_ingestion.errors import HeadraceError


class SourceError(HeadraceError):
    """A file of events is missing, cannot be read, or lacks what the contract requires."""


class MappingError(HeadraceError):
    """An option that says how rows become events (`--map`, `--value`, `--key`, `--shift`, `--time-zone`) is wrong."""


class NotJsonError(HeadraceError):
    """What is to be sent is not one JSON object."""


class ReplayInterruptedError(HeadraceError):
    """A replay was stopped before its end; what was acknowledged is recorded."""


class DerivedEventError(HeadraceError):
    """An event that is made of others cannot be sent."""


class UnknownReasonError(HeadraceError):
    """No record is ever refused for that reason."""
