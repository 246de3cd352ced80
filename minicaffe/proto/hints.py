"""What the writer of a prototxt may have meant by a field that does not exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from minicaffe.proto.schema import fields_of

# Settings under another name in another place: (message, plain name) -> what to write.
_MOVED = {
    ("SolverParameter", "lr"): "base_lr",
    ("SolverParameter", "learningrate"): "base_lr",
    ("LayerParameter", "biaslr"): "a second param { lr_mult: ... }",
    ("LayerParameter", "blobslr"): "param { lr_mult: ... }, one for each parameter blob",
    ("LayerParameter", "weightdecay"): "param { decay_mult: ... }, one for each parameter blob",
    ("LayerParameter", "blobsharemode"): "param { share_mode: ... }, one for each parameter blob",
    ("V1LayerParameter", "biaslr"): "a second blobs_lr",
    ("V1LayerParameter", "lrmult"): "blobs_lr, once for each parameter blob",
    ("V1LayerParameter", "decaymult"): "weight_decay, once for each parameter blob",
    ("V1LayerParameter", "phase"): "include { phase: ... }",
}
# In the messages of the data layers these are old forms, which a current `layer` ignores.
_TRANSFORMS = ("scale", "mirror", "cropsize", "meanfile")


def nearest(name: str, names: Iterable[str]) -> str:
    """The one of `names` that looks most like `name`, or "": capitals and underscores count for nothing."""
    import difflib

    plain = {_plain(candidate): candidate for candidate in names}
    close = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.7)
    return plain[close[0]] if close else ""


def about_field(name: str, around: Sequence[Any]) -> str:
    """What is wrong with `name`, which `around[-1]` does not have, and what to write instead.

    around: the messages that the name stands in, the outermost first.
    """
    message = around[-1]
    fields, plain = fields_of(message.DESCRIPTOR), _plain(name)
    wrong = f"is not a field of {message.DESCRIPTOR.name}"
    exact = [field for field in fields if _plain(field) == plain]
    moved = _MOVED.get((message.DESCRIPTOR.name, plain))
    if exact or moved:
        return f"{wrong}; write {exact[0] if exact else moved}"
    places = _elsewhere(plain, around)
    # `type` in a net is a layer's that has closed too early; `layer` in a solver is a net's.
    other = _other_file(name, message) if len(around) == 1 else ""
    if other and not (places and other == "SolverParameter"):
        return f"{wrong}, but of {other}; this looks like another sort of file"
    if places:
        return f"{wrong}; it belongs in {' or '.join(places)}"
    if close := nearest(name, fields):
        return f"{wrong}; did you mean {close}?"
    if len(fields) <= 12:
        return f"{wrong}, which has {', '.join(fields)}"
    return f"{wrong}, nor is one like it; remove it"


def _other_file(name: str, message: Any) -> str:
    """The message of a whole file that has the field, where `message` is the other: a solver read as a net."""
    for other in ("SolverParameter", "NetParameter"):
        if other != message.DESCRIPTOR.name and name in fields_of(message.DESCRIPTOR.file.message_types_by_name[other]):
            return other
    return ""


def _elsewhere(plain: str, around: Sequence[Any]) -> list[str]:
    """Messages nearby that have the field: inside this one, around it, or beside it."""
    message = around[-1]
    for outer in around[:-1]:
        if any(
            _plain(name) == plain and field.kind == "message" for name, field in fields_of(outer.DESCRIPTOR).items()
        ):
            return [f"the {_title(outer)} around it; see whether a closing }} is missing before"]
    if inside := _children_with(plain, message):
        return [f"{child} {{ {name}: ... }}" for child, name in inside]
    for outer in reversed(around[:-1]):
        for name in fields_of(outer.DESCRIPTOR):
            if _plain(name) == plain:
                return [f"the {_title(outer)} around it, as {name}"]
    if len(around) > 1:
        parent = around[-2]
        return [f"{child} {{ {name}: ... }} beside it" for child, name in _children_with(plain, parent)]
    return []


def _children_with(plain: str, message: Any) -> list[tuple[str, str]]:
    """(message field, its own field of that name), at most three; only the one of the layer's type if there is one."""
    found = [
        (child.name, name)
        for child in fields_of(message.DESCRIPTOR).values()
        if child.kind == "message" and child.name != "layers" and child.type.name != "V0LayerParameter"
        for name in fields_of(child.type)
        if _plain(name) == plain
    ]
    if plain in _TRANSFORMS and any(child == "transform_param" for child, _ in found):
        found = [place for place in found if not place[0].endswith("data_param")]
    own = [place for place in found if _plain(place[0]) == _layer_type(message) + "param"]
    return own or found[:3]


def _layer_type(message: Any) -> str:
    """The plain type of a layer message, as far as it has been read; "" for others."""
    if "type" not in fields_of(message.DESCRIPTOR):
        return ""
    value = message.type
    if not isinstance(value, str):
        value = message.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[value].name
    return _plain(value)


def _title(message: Any) -> str:
    """What people call a message: net, layer, solver."""
    return message.DESCRIPTOR.name.removesuffix("Parameter").removeprefix("V1").lower()


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
