"""Names of the topics that a feature job reads and writes."""

from __future__ import annotations

from dataclasses import dataclass

from headrace_features.view import View
from headrace_ingestion.contract import Contract


@dataclass(frozen=True)
class GroupTopics:
    """The topics of one job, under the project's prefix."""

    prefix: str = ""

    def of_event(self, contract: Contract) -> str:
        """Return the topic that the job reads."""
        return contract.topic(self.prefix)

    def of_view(self, view: View) -> str:
        """Return the topic of a view's rows."""
        return view.topic(self.prefix)

    @property
    def dead_letters(self) -> str:
        """Topic of refused records."""
        return f"{self.prefix}dead_letters"

    @property
    def late_events(self) -> str:
        """Topic of the ledger of late events."""
        return f"{self.prefix}late_events"

    @property
    def duplicates(self) -> str:
        """Topic of the ledger of duplicates."""
        return f"{self.prefix}duplicates"
