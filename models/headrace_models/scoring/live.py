"""Which versions score at the moment: follows the aliases, loads in the background, swaps between two batches."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from headrace_models.mlflow_store import MlflowStore
from headrace_models.registry import Alias
from headrace_models.scoring.loading import LoadedModel, load_version

Variant = Literal["champion", "challenger"]
VARIANTS: tuple[Variant, ...] = ("champion", "challenger")
log = logging.getLogger(__name__)

VersionOf = Callable[[str, Alias], str | None]
Load = Callable[[str, str], LoadedModel]


class LiveModels:
    """The loaded champion and challenger of one model.

    Readers take `current` once per batch: a frozen mapping that is replaced as a whole, so that a batch never sees two
    champions. One thread calls `refresh` (or `watch`); any thread may read.

    Args:
        name: The registered model.
        version_of: (model, alias) → version or None.
        load: (model, version) → the version, loaded and warm.
    """

    def __init__(self, name: str, version_of: VersionOf, load: Load) -> None:
        self.name = name
        self._version_of = version_of
        self._load = load
        self._failed: set[str] = set()
        self._away = False
        self.current: Mapping[Variant, LoadedModel] = MappingProxyType({})
        self.changed = threading.Event()

    @classmethod
    def of_store(cls, name: str, store: MlflowStore) -> LiveModels:
        """Return the live models of a registered model of the store."""
        from headrace_models.registry import Registry

        return cls(name, Registry(store).alias_version, lambda model, version: load_version(store, model, version))

    def refresh(self) -> None:
        """Look the aliases up and load what is new.

        A registry that is away, or a version that cannot be loaded, is logged once, and what was live stays so.
        """
        try:
            wanted = {variant: self._version_of(self.name, variant) for variant in VARIANTS}
        except Exception as error:  # noqa: BLE001  # the border to the registry, its client and its transport
            if not self._away:
                log.warning("model %s: the registry does not answer, the live versions stay: %s", self.name, error)
            self._away = True
            return
        self._away = False
        live = {variant: model for variant in VARIANTS if (model := self._wanted_model(variant, wanted[variant]))}
        if {v: m.version for v, m in live.items()} != {v: m.version for v, m in self.current.items()}:
            # What was loaded stays: the collector, which stops all threads, need not look through it again.
            gc.freeze()
            self.current = MappingProxyType(live)
            self.changed.set()
            versions = ", ".join(f"{variant} {model.version}" for variant, model in live.items())
            log.info("model %s: now live: %s", self.name, versions or "none")

    def watch(self, stop: threading.Event, every_seconds: float) -> None:
        """Refresh until `stop` is set."""
        while not stop.wait(every_seconds):
            self.refresh()

    def _wanted_model(self, variant: Variant, version: str | None) -> LoadedModel | None:
        present = self.current.get(variant)
        if version is None:
            return None
        for loaded in self.current.values():
            if loaded.version == version:
                return loaded
        if version in self._failed:
            return present
        try:
            return self._load(self.name, version)
        except Exception as error:  # noqa: BLE001  # the border to a model: its code and files can raise anything
            self._failed.add(version)
            log.error("model %s version %s cannot be loaded, the live version stays: %s", self.name, version, error)
            return present
