"""Python values into messages: numbers, strings, lists and dicts become fields, as pycaffe's scripts write them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minicaffe.proto import hints
from minicaffe.proto.schema import Field, fields_of


def assign_proto(proto: Any, name: str, val: Any) -> None:
    """Set field `name` of the message `proto` to a Python value.

        assign_proto(layer, "convolution_param", {"kernel_size": 3, "weight_filler": {"type": "xavier"}})
        assign_proto(layer, "param", [{"lr_mult": 1}, {"lr_mult": 2}])

    A dict fills a message, field by field; what was there before stays, and an empty dict sets nothing.
    A list is added to a repeated field, a dict in it as a new message; any other value counts as a list of itself.
    An enum takes the number or the name of a value.

    Raises AttributeError (no such field, or one of another sort than the value: a list for a single field, a scalar for
    a message), TypeError (a tuple or anything else that the field cannot hold), ValueError (a number out of range, an
    enum without that value), IndexError (an empty list, which says nothing; leave the field out).
    """
    _assign(proto, name, val, "")


def _assign(proto: Any, name: str, val: Any, around: str) -> None:
    """As assign_proto. around: path of `proto` in what the user wrote, with a dot behind it, for error texts."""
    field, path = fields_of(proto.DESCRIPTOR).get(name), around + name
    if field is None:
        raise AttributeError(f"{path} {hints.about_field(name, [proto])}")
    if isinstance(val, list) and not val:
        raise IndexError(f"{path} is an empty list; leave it out instead")
    if field.repeated:
        _extend(getattr(proto, name), field, val if isinstance(val, list) else [val], path)
    elif isinstance(val, list):
        raise AttributeError(f"{path} takes one {_noun(field)}, not a list of {len(val)}")
    elif isinstance(val, dict):
        _fill(getattr(proto, name), field, val, path)
    elif field.kind == "message":
        raise AttributeError(f"{path} takes a dict of the fields of {_noun(field)}, not {_shown(val)}")
    else:
        _store(partial(setattr, proto, name), field, val, path)


def _extend(values: Any, field: Field, items: list[Any], path: str) -> None:
    """Add items to a repeated field."""
    for index, item in enumerate(items):
        place = f"{path}[{index}]" if len(items) > 1 else path
        if field.kind == "message" and isinstance(item, dict):
            _fill(values.add(), field, item, place)
        else:
            # Messages have no `append` in old versions of protobuf.
            _store(lambda value: values.extend([value]), field, item, place)


def _fill(message: Any, field: Field, settings: dict[str, Any], path: str) -> None:
    """Set the fields of what should be a message."""
    if field.kind != "message":
        hint = "; write str() of it" if field.kind == "string" else ""
        raise AttributeError(f"{path} takes one {_noun(field)}, not a dict{hint}")
    for name, val in settings.items():
        _assign(message, name, val, path + ".")


def _store(put: Callable[[Any], None], field: Field, val: Any, path: str) -> None:
    """Hand a single value to protobuf through `put`; say of one that it refuses where it stands."""
    try:
        put(_plain(field, val))
    except TypeError:
        advice = ""
        if field.repeated and isinstance(val, tuple | np.ndarray):
            advice = f"; write a list: {list(val) if isinstance(val, tuple) else val.tolist()!r}"
        elif isinstance(val, float) and val.is_integer():
            advice = f"; write {int(val)}"  # of 4 / 2, say
        raise TypeError(f"{path} is {_shown(val)}, must be {_noun(field)}{advice}") from None
    except ValueError:
        if field.kind == "enum":
            raise ValueError(f"{path} is {val!r}, must be one of {', '.join(_numbers(field))}") from None
        wrong = "not text in UTF-8" if field.kind == "string" else f"out of range for {field.kind}"
        raise ValueError(f"{path} is {val!r}, {wrong}") from None


def _plain(field: Field, val: Any) -> Any:
    """`val` as every version of protobuf takes it: NumPy's scalars and names of enum values are taken by some only."""
    if isinstance(val, np.generic):
        return val.item()
    if field.kind == "enum" and isinstance(val, str):
        if val not in _numbers(field):
            raise ValueError
        return _numbers(field)[val]
    return val


def _numbers(field: Field) -> dict[str, int]:
    """Of an enum: number of each name."""
    return {value.name: value.number for value in field.type.values}


def _noun(field: Field) -> str:
    """What the field holds: uint32, PoolMethod, FillerParameter."""
    return field.type.name if field.type else field.kind


def _shown(val: Any) -> str:
    text = " ".join(repr(val).split())
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(val).__name__})"
