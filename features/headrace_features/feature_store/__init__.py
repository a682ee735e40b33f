"""The feature store: point-in-time joins over the lake, and a Feast repository made from the declarations.

Owns our store classes for Feast and the generated repository; the rows come from the lake and from
`headrace_features.online`. Importing Feast takes seconds: only the modules that subclass its classes do.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace_features.feature_store.errors import FeatureStoreError
    from headrace_features.feature_store.point_in_time import At, Lookup, join_features, lookup_of
    from headrace_features.feature_store.repository import generate_repository, open_repository

_HOMES = {
    "At": "point_in_time",
    "FeatureStoreError": "errors",
    "Lookup": "point_in_time",
    "generate_repository": "repository",
    "join_features": "point_in_time",
    "lookup_of": "point_in_time",
    "open_repository": "repository",
}

__all__ = [
    "At",
    "FeatureStoreError",
    "Lookup",
    "generate_repository",
    "join_features",
    "lookup_of",
    "open_repository",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
