"""Names of the topics that a feature job reads and writes."""

from __future__ import annotations

from dataclasses import dataclass

from headrace_features.view import View
from headrace_ingestion.contract import Contract

LARGEST_RECORD_BYTES = 8 * 1024 * 1024
"""Of topics made of others: the largest event of a producer is larger yet by another key, in a merge or join."""


@dataclass(frozen=True)
class GroupTopics:
    """The topics of one job, under the project's prefix.

    Attributes:
        prefix: Before the topic that it reads.
        written_prefix: Before those that it writes; None: the same one.
    """

    prefix: str = ""
    written_prefix: str | None = None

    def of_event(self, contract: Contract) -> str:
        """Return the topic that the job reads."""
        return contract.topic(self.prefix)

    def of_view(self, view: View) -> str:
        """Return the topic of a view's rows."""
        return view.topic(self._written)

    @property
    def dead_letters(self) -> str:
        """Topic of refused records."""
        return f"{self._written}dead_letters"

    @property
    def late_events(self) -> str:
        """Topic of the ledger of late events."""
        return f"{self._written}late_events"

    @property
    def duplicates(self) -> str:
        """Topic of the ledger of duplicates."""
        return f"{self._written}duplicates"

    @property
    def _written(self) -> str:
        return self.prefix if self.written_prefix is None else self.written_prefix
