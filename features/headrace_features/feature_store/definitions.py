"""Views → the text of a Feast repository: `feature_store.yaml` and `definitions.py`. Knows no Feast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from headrace_features.feature_store.errors import FeatureStoreError
from headrace_features.feature_store.point_in_time import At
from headrace_features.online.config import OnlineConfig
from headrace_features.view import View

URL_VARIABLE = "HEADRACE_ONLINE__URL"

_STORES = "headrace_features.feature_store"
_HEAD = "Made by headrace from the declarations of features/; the next `headrace features apply` overwrites changes."
_FEAST_TYPES = {"double": "Float64", "long": "Int64", "int": "Int64", "string": "String", "bool": "Bool"}
_VALUE_TYPES = {"string": "STRING", "int": "INT64", "long": "INT64"}


def repository_settings(
    folder: Path, project: str, online: OnlineConfig, at: At, *, show_secrets: bool
) -> dict[str, object]:
    """Return what `feature_store.yaml` says.

    Args:
        folder: The repository.
        project: Name of the project; Feast knows no hyphens.
        online: Where the newest values are.
        at: Which values a training set may hold by default.
        show_secrets: Give a URL with a password as it is; otherwise the variable of the environment that holds it.
    """
    return {
        "project": project.replace("-", "_"),
        "provider": "local",
        # Declarations change seldom, processes are many: each sees an apply within seconds.
        "registry": {"path": str(folder / "registry.db"), "cache_ttl_seconds": 5},
        "online_store": _online_section(online, show_secrets=show_secrets),
        "offline_store": {"type": f"{_STORES}.offline_store.HeadraceOfflineStore", "at": at},
        "entity_key_serialization_version": 3,
    }


def settings_text(settings: Mapping[str, object]) -> str:
    """Return the text of `feature_store.yaml`."""
    return f"# {_HEAD}\n" + yaml.safe_dump(dict(settings), sort_keys=False)


def definitions_text(views: Mapping[str, View], lake: Path) -> str:
    """Return the text of `definitions.py`: an entity for each key; a feature view and a feature service for each view.

    Raises:
        FeatureStoreError: Two views have keys of one name and different types.
    """
    parts = [f'"""{_HEAD}"""', _IMPORTS]
    parts += [_entity(key, type_) for key, type_ in _keys(views.values()).items()]
    parts += [_feature_view(view, lake) + _service(view) for view in views.values()]
    return "\n\n".join(parts)


_IMPORTS = """\
from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.types import Bool, Float64, Int64, String  # noqa: F401

from headrace_features.feature_store.source import LakeSource
"""


def _keys(views: Iterable[View]) -> dict[str, str]:
    found: dict[str, tuple[str, View]] = {}
    for view in views:
        type_ = _VALUE_TYPES[view.contract.fields[view.key].type]
        known, first = found.setdefault(view.key, (type_, view))
        if known != type_:
            raise FeatureStoreError(
                f"the key {view.key!r} is of the type {type_} in the view {view.name!r} and {known} in {first.name!r}",
                {"files": f"{first.origin}, {view.origin}", "expected": "one type for keys of one name"},
                f"rename the field {view.key!r} of the event {view.contract.name!r}",
            )
    return {key: type_ for key, (type_, _) in found.items()}


def _entity(key: str, type_: str) -> str:
    return f"entity_{key} = Entity(name={key!r}, join_keys=[{key!r}], value_type=ValueType.{type_})\n"


def _feature_view(view: View, lake: Path) -> str:
    key_type = _FEAST_TYPES[view.contract.fields[view.key].type]
    fields = [(view.key, key_type), *((column.name, _FEAST_TYPES[column.type]) for column in view.columns)]
    schema = "\n".join(f"        Field(name={name!r}, dtype={type_})," for name, type_ in fields)
    event = f"{view.contract.name}/{view.contract.version}"
    return f"""\
view_{view.name} = FeatureView(
    name={view.name!r},
    entities=[entity_{view.key}],
    ttl=timedelta(milliseconds={view.ttl_ms}),
    schema=[
{schema}
    ],
    source=LakeSource(view={view.name!r}, lake={str(lake)!r}, declaration={view.digest!r}),
    tags={{"headrace_declaration": {view.digest!r}, "headrace_event": {event!r}}},
)
"""


def _service(view: View) -> str:
    return f"service_{view.name} = FeatureService(name={view.name!r}, features=[view_{view.name}])\n"


def _online_section(online: OnlineConfig, *, show_secrets: bool) -> dict[str, str]:
    if online.store == "sqlite":
        return {"type": f"{_STORES}.online_stores.HeadraceSqliteOnlineStore", "path": str(online.path)}
    url = online.url or ""
    if urlsplit(url).password is not None and not show_secrets:
        url = "${" + URL_VARIABLE + "}"
    return {
        "type": f"{_STORES}.online_stores.HeadraceValkeyOnlineStore", "url": url, "namespace": online.namespace,
    }  # fmt: skip
