"""The events that a producer may send: each contract with what `send` needs of it, made once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from headrace_ingestion.codec import compile_encoder
from headrace_ingestion.contract import Contract, index_contracts, load_contracts
from headrace_ingestion.durations import duration_ms
from headrace_ingestion.errors import DeclarationError
from headrace_ingestion.headers import CONTRACT
from headrace_ingestion.pii import PiiSecret


class KnownEvent:
    """What `send` needs of a contract, made once."""

    __slots__ = ("ahead_ms", "contract", "encode", "header", "topic")

    def __init__(self, contract: Contract, prefix: str, pii_secret: PiiSecret | None) -> None:
        self.contract = contract
        self.topic = contract.topic(prefix)
        self.ahead_ms = duration_ms(contract.max_ahead)
        self.encode = compile_encoder(contract, pii_secret)
        self.header = (CONTRACT, contract.label.encode())


def known_events(
    contracts: Contract | Iterable[Contract] | Path, topic_prefix: str, pii_secret: PiiSecret | None
) -> dict[str, KnownEvent]:
    """Return name → event.

    Args:
        contracts: A contract, several, or the folder or file that declares them.
        topic_prefix: Stands before the topic of each.
        pii_secret: What personal data is hashed with; None reads the environment, where a field is hashed.

    Raises:
        DeclarationError: A contract is wrong, or there is none.
        SettingsError: A field is hashed, and there is no secret.
    """
    return {name: KnownEvent(contract, topic_prefix, pii_secret) for name, contract in _by_name(contracts).items()}


def _by_name(contracts: Contract | Iterable[Contract] | Path) -> dict[str, Contract]:
    if isinstance(contracts, Contract):
        found = {contracts.name: contracts}
    elif not isinstance(contracts, Path):
        found = index_contracts(contracts)
    elif contracts.is_dir():
        found = load_contracts(contracts)
    else:
        found = index_contracts([Contract.load(contracts)])
    if not found:
        where = f" in {contracts}" if isinstance(contracts, Path) else ""
        raise DeclarationError(f"there is no contract{where}", {"expected": "at least one *.yaml"}, "events/call.yaml")
    return found
