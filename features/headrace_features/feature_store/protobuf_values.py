"""Feast's protobuf values ↔ the values of a row; a view has columns of four types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Bool, Float64, Int64, PrimitiveFeastType, String

from headrace_features.feature_store.errors import FeatureStoreError
from headrace_features.view import ColumnType

COLUMN_TYPES: Mapping[PrimitiveFeastType, ColumnType] = {
    Float64: "double",
    Int64: "long",
    String: "string",
    Bool: "bool",
}

_TO_PROTOBUF: Mapping[PrimitiveFeastType, Callable[[Any], Value]] = {
    Float64: lambda value: Value(double_val=value),
    Int64: lambda value: Value(int64_val=value),
    String: lambda value: Value(string_val=value),
    Bool: lambda value: Value(bool_val=value),
}
_FROM_PROTOBUF = frozenset({"double_val", "float_val", "int64_val", "int32_val", "string_val", "bool_val"})


def primitive(type_: object) -> PrimitiveFeastType:
    """Return the type of a field, if it is one that a column has.

    Raises:
        FeatureStoreError: It is another one.
    """
    if isinstance(type_, PrimitiveFeastType) and type_ in COLUMN_TYPES:
        return type_
    raise FeatureStoreError(
        f"a field is of the type {type_}", {"expected": ", ".join(map(str, COLUMN_TYPES))}, "headrace features apply"
    )


def to_protobuf(value: Any, type_: PrimitiveFeastType) -> Value:
    """Return a value as Feast carries it; None is a value without a kind."""
    return Value() if value is None else _TO_PROTOBUF[type_](value)


def from_protobuf(value: Value) -> Any:
    """Return what Feast carries.

    Raises:
        FeatureStoreError: It is of a kind that no column has.
    """
    kind = value.WhichOneof("val")
    if kind is None:
        return None
    if kind not in _FROM_PROTOBUF:
        raise FeatureStoreError(
            f"a value of the kind {kind!r} cannot be stored",
            {"kinds": ", ".join(sorted(_FROM_PROTOBUF))},
            "headrace features plan",
        )
    return getattr(value, kind)


def key_text(key: EntityKey) -> str:
    """Return an entity key as the online stores have it.

    Raises:
        FeatureStoreError: It has not exactly one part.
    """
    if len(key.entity_values) != 1:
        raise FeatureStoreError(
            f"an entity key has the parts {', '.join(key.join_keys) or 'none'}",
            {"expected": "one: the key of the view"},
            "headrace features plan",
        )
    return str(from_protobuf(key.entity_values[0]))
