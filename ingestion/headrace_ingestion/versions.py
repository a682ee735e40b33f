"""Versions of a contract side by side: `events/call.v1.yaml`, `events/call.v2.yaml`, the running `events/call.yaml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from headrace_ingestion.contract import Contract, load_contracts
from headrace_ingestion.errors import DeclarationError, closest

_EARLIER = re.compile(r"(.+)\.v([0-9]+)\.yaml")


def load_versions(folder: Path, *, root: Path | None = None) -> dict[str, tuple[Contract, ...]]:
    """Return every version of each contract in `folder` by event name; the running one is the last.

    Args:
        folder: The folder, such as `events`.
        root: The project folder: names in messages are relative to it.

    Raises:
        DeclarationError: A file declares no valid contract, or not the version of which its name tells.
    """
    running = load_contracts(folder, root=root)
    found: dict[str, dict[int, Contract]] = {name: {} for name in running}
    for path in sorted(folder.glob("*.yaml")):
        if _EARLIER.fullmatch(path.name):
            contract = Contract.load(path, root=root)
            _check_earlier(path, contract, running)
            found[contract.name][contract.version] = contract
    return {
        name: (*(versions[number] for number in sorted(versions)), running[name]) for name, versions in found.items()
    }


def _check_earlier(path: Path, contract: Contract, running: Mapping[str, Contract]) -> None:
    wanted = f"{contract.name}.v{contract.version}.yaml"
    shown = contract.place_of(None)
    if path.name != wanted:
        raise DeclarationError(
            f"{shown} declares {contract.name!r} version {contract.version}, and its name tells of another",
            {"expected": wanted},
            f"mv {path.name} {wanted}",
            path=shown,
        )
    if contract.name not in running:
        raise DeclarationError(
            f"{shown} is an earlier version of {contract.name!r}, which no file declares",
            {"events": ", ".join(running) or "none"},
            closest(contract.name, running) or f"cp {path.name} {contract.name}.yaml",
            path=shown,
        )
    newest = running[contract.name]
    if contract.version >= newest.version:
        raise DeclarationError(
            f"{shown} is version {contract.version}, and the running one is version {newest.version}",
            {"running": newest.place_of(None), "expected": "versions that count up"},
            f"version: {contract.version + 1}",
            path=shown,
        )
