"""Frozen dataclasses from plain data (JSON, TOML), strictly: unknown, missing and mistyped keys are errors."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from reprlib import repr as short
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")

_SCALARS = {float: "a number", int: "a whole number", str: "a string", bool: "a truth value", type(None): "null"}


class RecordError(ValueError):
    """Data that does not make the record; the message names the key."""


def decode(kind: type[T], data: object, *, name: str) -> T:
    """Make a dataclass, and the dataclasses within it, from mappings, lists and scalars.

    Args:
        kind: the dataclass.
        data: a mapping of its fields; those with a default may be left out.
        name: what errors call the whole.

    Raises:
        RecordError: naming the key that is unknown, missing, of the wrong kind, or has a value that the dataclass
            refuses.
    """
    record: T = _value(kind, data, "", name)
    return record


def refuse_changed(config: Any, beginnings: tuple[str, ...], why: str) -> None:
    """Raise where a field of a dataclass, of a name that begins so, has been changed without an effect.

    Args:
        config: the dataclass; what its fields' defaults are is not changed.
        beginnings: of names; a whole name is a beginning too.
        why: it has no effect.

    Raises:
        ValueError: naming the field and its default.
    """
    for item in fields(config):
        value = getattr(config, item.name)
        default = item.default if item.default_factory is MISSING else item.default_factory()
        if item.name.startswith(beginnings) and value != default:
            raise ValueError(f"{item.name} = {value!r} would have no effect: {why}; leave it at {default!r}")


def _value(kind: Any, value: object, key: str, name: str) -> Any:
    """Read a value as `kind`: a dataclass, tuple, dict, literal, scalar, or union of scalars."""
    if isinstance(kind, type) and is_dataclass(kind):
        return _fields(kind, value, key, name)
    arguments = get_args(kind)
    if get_origin(kind) is dict and isinstance(value, Mapping):
        return {item: _value(arguments[1], inner, f"{key}.{item}", name) for item, inner in value.items()}
    if get_origin(kind) is tuple and isinstance(value, (list, tuple)):
        kinds = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) == len(value):
            items = enumerate(zip(kinds, value, strict=True))
            return tuple(_value(part, item, f"{key}[{i}]", name) for i, (part, item) in items)
    if get_origin(kind) is Literal:
        if value in arguments:
            return value
        raise RecordError(f"{key} should be one of {', '.join(map(repr, arguments))}, but is {short(value)}")
    scalars = arguments or (kind,)
    if type(value) in scalars:
        return value
    if type(value) is int and float in scalars:
        return float(value)
    raise RecordError(f"{key or name} should be {_wanted(kind)}, but is {short(value)}")


def _fields(kind: type[Any], value: object, key: str, name: str) -> Any:
    place = key or name
    if not isinstance(value, Mapping):
        raise RecordError(f"{place} should be a table of keys, but is {short(value)}")
    known = {item.name: item for item in fields(kind)}
    if unknown := sorted(set(value) - set(known)):
        close = difflib.get_close_matches(unknown[0], known, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"it knows {', '.join(known)}"
        raise RecordError(f"{place} has the unknown key {unknown[0]!r}; {hint}")
    required = [item.name for item in known.values() if item.default is MISSING and item.default_factory is MISSING]
    if missing := [item for item in required if item not in value]:
        raise RecordError(f"{place} lacks the key {missing[0]!r}")
    hints = get_type_hints(kind)
    prefix = f"{key}." if key else ""
    decoded = {item: _value(hints[item], inner, prefix + item, name) for item, inner in value.items()}
    try:
        return kind(**decoded)
    except RecordError:
        raise
    except ValueError as error:
        raise RecordError(f"{place}: {error}") from None


def _wanted(kind: Any) -> str:
    arguments = get_args(kind)
    if get_origin(kind) is dict:
        return "a table of keys"
    if get_origin(kind) is tuple:
        return "a list" if arguments[-1] is Ellipsis else f"a list of {len(arguments)}"
    return " or ".join(_SCALARS[scalar] for scalar in arguments or (kind,))
