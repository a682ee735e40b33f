"""The Feast repository of a project: made from its declarations, applied, opened."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace_features.feature_store.definitions import definitions_text, repository_settings, settings_text
from headrace_features.feature_store.errors import FeatureStoreError
from headrace_features.feature_store.point_in_time import At
from headrace_features.online.config import OnlineConfig
from headrace_features.view import View

if TYPE_CHECKING:
    from feast import FeatureStore

SETTINGS_FILE = "feature_store.yaml"
DEFINITIONS_FILE = "definitions.py"


def generate_repository(
    folder: Path,
    project: str,
    views: Mapping[str, View],
    lake: Path,
    online: OnlineConfig,
    *,
    at: At = "known",
) -> FeatureStore:
    """Write the repository, apply it to its registry, and return it open.

    What the registry has and the declarations have no more is removed, together with its rows in the online store. The
    `feast` command line works on the folder. One process may do this at a time: Feast's registry file has no lock.

    Args:
        folder: The repository, `.headrace/feast`; it is made when it does not exist.
        project: Name of the project.
        views: The views by name.
        lake: Folder of the lake.
        online: Where the newest values are.
        at: Which values a training set may hold by default.

    Raises:
        FeatureStoreError: The declarations do not fit together in one registry.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    online = online if online.path is None else replace(online, path=online.path.absolute())
    definitions = folder / DEFINITIONS_FILE
    definitions.write_text(definitions_text(views, lake.absolute()))
    (folder / SETTINGS_FILE).write_text(
        settings_text(repository_settings(folder, project, online, at, show_secrets=False))
    )
    store = _opened(folder, repository_settings(folder, project, online, at, show_secrets=True))
    # The objects come from the file that people read and that the `feast` command line applies.
    objects = _objects(definitions)
    store.apply(objects, objects_to_delete=_gone(store, objects), partial=False)
    store.refresh_registry()  # type: ignore[no-untyped-call]  # feast
    return store


def open_repository(folder: Path) -> FeatureStore:
    """Return the repository in the folder, open.

    Raises:
        FeatureStoreError: There is none.
    """
    from feast import FeatureStore

    if not (folder / SETTINGS_FILE).is_file():
        raise FeatureStoreError(
            f"{folder} is no Feast repository", {"expected": f"the file {SETTINGS_FILE}"}, "headrace features apply"
        )
    return FeatureStore(repo_path=str(folder.absolute()))


def _opened(folder: Path, settings: Mapping[str, object]) -> FeatureStore:
    from feast import FeatureStore, RepoConfig

    return FeatureStore(config=RepoConfig(**settings, repo_path=folder))


def _objects(definitions: Path) -> list[Any]:
    from feast import Entity, FeatureService, FeatureView

    found = runpy.run_path(str(definitions)).values()
    return [value for value in found if isinstance(value, Entity | FeatureView | FeatureService)]


def _gone(store: FeatureStore, objects: list[Any]) -> list[Any]:
    """Return what the registry has and `objects` have not."""
    kept = {(type(each).__name__, each.name) for each in objects}
    kept |= {("LakeSource", each.batch_source.name) for each in objects if hasattr(each, "batch_source")}
    # Feast makes an entity of its own for views without one.
    known: list[Any] = [entity for entity in store.list_entities() if entity.name != "__dummy"]
    known += [*store.list_feature_views(), *store.list_feature_services(), *store.list_data_sources()]
    return [each for each in known if (type(each).__name__, each.name) not in kept]
