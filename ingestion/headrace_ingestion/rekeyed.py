"""The same event under another key: a topic of its own, in which the key has one partition and one order."""

from __future__ import annotations

from headrace_ingestion.contract import Contract


class RekeyedContract(Contract):
    """The contract of an event as it stands in its topic by another field.

    Values, ids and checks are those of the event; only key, topic and table are its own.

    Args:
        contract: Contract of the event.
        key: A required field of type string, int or long that is not the event's key.
    """

    def __init__(self, contract: Contract, key: str) -> None:
        fields = {info.alias or name: getattr(contract, name) for name, info in Contract.model_fields.items()}
        card = contract.access and contract.access.by_another_key()
        super().__init__(**{**fields, "key": key, "access": card})
        self._origin = contract._origin
        self._lines = contract._lines
        self._progress = contract._progress
        self._made_of = contract._made_of

    @property
    def stream(self) -> str:
        """`<event>.by.<key>`."""
        return f"{self.name}.by.{self.key}"

    @property
    def table(self) -> str:
        """`<event>_by_<key>`."""
        return f"{self.name}_by_{self.key}"
