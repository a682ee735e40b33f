"""One check per field, and of all fields of an event in their order: the accepted values out, or the first refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from headrace_ingestion.fields import Field
from headrace_ingestion.value_checks import MAKERS, Check, Refusal, cut, detail_texts, wrong_type


class Way(NamedTuple):
    """How the values of an event are read.

    Attributes:
        makers: Makers of checks that replace those for JSON values, by type.
        drops_unknown: Whether fields that the contract does not name are left out instead of refused.
        covers: Of a field with `pii`: what becomes of an accepted value; None: values stay as they are.
    """

    makers: Mapping[str, Callable[[str, Field], Check]] = {}
    drops_unknown: bool = False
    covers: Callable[[Field], Check] | None = None


JSON_WAY = Way()


def field_check(name: str, field: Field, way: Way = JSON_WAY) -> Check:
    """Return the check of one field, null excepted.

    Args:
        name: The field as details call it: `lines[].price` is the `price` of each item of `lines`.
        field: The field.
        way: How its values are read; as they come out of JSON, unless something else is said.
    """
    if field.type in _NESTED_MAKERS:
        return covered(_NESTED_MAKERS[field.type](name, field, way), field, way)
    return covered((way.makers.get(field.type) or MAKERS[field.type])(name, field), field, way)


def covered(check: Check, field: Field, way: Way) -> Check:
    """Return the check with what the way does with personal data: rules hold for the clear value."""
    if way.covers is None or field.pii is None:
        return check
    cover = way.covers(field)
    return lambda value: cover(check(value))


def unknown_field(name: object) -> Refusal:
    """Return the refusal of a field that the contract does not name."""
    return Refusal("unknown_field", f"field '{cut(str(name))}' is not in the contract", str(name))


def missing_field(name: str, *, is_null: bool) -> Refusal:
    """Return the refusal of a required field that is absent or null."""
    return Refusal("missing_field", f"field '{name}' is {'null' if is_null else 'missing'}", name)


def _inner_check(name: str, field: Field, way: Way) -> Check:
    inner, required = field_check(name, field, way), field.required

    def check(value: Any) -> Any:
        if value is not None:
            return inner(value)
        if required:
            raise missing_field(name, is_null=True)
        return None

    return check


def _list_check(name: str, field: Field, way: Way) -> Check:
    path, item = next(iter(field.inner.items()))
    check_item = _inner_check(f"{name}{path}", item, way)
    least, most = field.min_items or 0, field.max_items
    texts = detail_texts(name, field)

    def check(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise wrong_type(name, "list", value)
        if len(value) < least:
            raise Refusal("out_of_range", texts["min_items"], name)
        if most is not None and len(value) > most:
            raise Refusal("out_of_range", texts["max_items"], name)
        return [check_item(one) for one in value]

    return check


def _map_check(name: str, field: Field, way: Way) -> Check:
    path, of_values = next(iter(field.inner.items()))
    check_value = _inner_check(f"{name}{path}", of_values, way)

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise wrong_type(name, "map", value)
        if not all(isinstance(key, str) for key in value):
            raise Refusal("wrong_type", f"field '{name}' expects texts as keys", name)
        return {key: check_value(one) for key, one in value.items()}

    return check


def _object_check(name: str, field: Field, way: Way) -> Check:
    accept = accept_fields(field.fields or {}, way, within=f"{name}.")

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise wrong_type(name, "object", value)
        return accept(value)

    return check


_NESTED_MAKERS: dict[str, Callable[[str, Field, Way], Check]] = {
    "list": _list_check,
    "map": _map_check,
    "object": _object_check,
}


def accept_fields(
    fields: Mapping[str, Field], way: Way = JSON_WAY, checks: Mapping[str, Check] | None = None, within: str = ""
) -> Callable[[Any], dict[str, Any]]:
    """Return the function that checks the fields of a mapping in the order of the wire format.

    Args:
        fields: Name → field; they come out in this order. Where one is absent it is its default, else None.
        way: How values are read.
        checks: Checks that replace those of the way, by field.
        within: What details write before the name of a field.
    """
    names = frozenset(fields)
    drops_unknown = way.drops_unknown
    plan = [
        (name, (checks or {}).get(name) or field_check(f"{within}{name}", field, way), *_absent(name, field))
        for name, field in fields.items()
    ]

    def accept(data: Any) -> dict[str, Any]:
        if not drops_unknown and not data.keys() <= names:
            raise unknown_field(_path(within, next(name for name in data if name not in names)))
        accepted = {}
        get = data.get
        for name, check, required, default in plan:
            value = get(name)
            if value is not None:
                accepted[name] = check(value)
            elif required:
                raise missing_field(f"{within}{name}", is_null=name in data)
            else:
                accepted[name] = default
        return accepted

    return accept


def _absent(name: str, field: Field) -> tuple[bool, Any]:
    """Return whether an absent value is refused, and what stands for it otherwise."""
    if field.default is None:
        return field.required, None
    return False, field_check(name, field)(field.default)


def _path(within: str, name: object) -> object:
    return f"{within}{name}" if within else name
