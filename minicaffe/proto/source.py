"""A net or a solver as it was read: the message, where its parts stand, and what was done to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field as dataclass_field
from typing import Any

from minicaffe.errors import Origin, ParamError

Note = tuple[str, str]  # severity (INFO, WARNING, ERROR) and the text of a log line


@dataclass
class NetSource:
    """A NetParameter in today's form.

    origins, indices: parallel to param.layer; where the layer stands, and which it was among the file's own `layer`
    or `layers` (None for a layer that the upgrade has added).
    notes: what to log about the upgrade. upgraded: whether there was one. compatible: False when settings of V0
    layers were dropped because their type does not have them.
    """

    param: Any
    origins: list[Origin]
    origin: Origin = dataclass_field(default_factory=Origin)
    notes: list[Note] = dataclass_field(default_factory=list)
    indices: list[int | None] = dataclass_field(default_factory=list)
    upgraded: bool = False
    compatible: bool = True

    def __post_init__(self) -> None:
        self.indices = self.indices or list(range(len(self.origins)))

    def note(self, severity: str, text: str) -> None:
        self.notes.append((severity, text))

    def param_error(self, message: str, layer: Any, origin: Origin, field: str = "") -> ParamError:
        """An error about a setting of a layer of any age."""
        return ParamError(
            message, file=origin.file or self.origin.file, line=origin.line_of(field), layer=layer.name, field=field
        )


@dataclass
class SolverSource:
    """A SolverParameter in today's form, read from a file or made in code.

    nets: the nets inside it, by path ("net_param", "test_net_param[0]"); param holds them upgraded.
    """

    param: Any
    origin: Origin = dataclass_field(default_factory=Origin)
    notes: list[Note] = dataclass_field(default_factory=list)
    nets: dict[str, NetSource] = dataclass_field(default_factory=dict)
    upgraded: bool = False


def moved(origin: Origin, moves: Mapping[str, str]) -> Origin:
    """The origin of a layer whose fields have moved.

    moves: from old path to new, "blobs_lr": "param[{}].lr_mult"; {} takes the old index, which is kept at the end where
    there is no {}. What lies inside a field moves with it.
    """
    fields: dict[str, int] = {}
    for path, line in origin.fields.items():
        new = _moved_path(path, moves)
        fields.setdefault(new, line)
        # The message around a field that moved alone: the first of its fields stands for it.
        while new := new.rpartition(".")[0]:
            fields.setdefault(new, line)
    return Origin(origin.file, origin.line, fields)


def _moved_path(path: str, moves: Mapping[str, str]) -> str:
    head = path
    while head:
        name, index = re.fullmatch(r"(.*?)((?:\[\d+\])?)", head).groups()  # type: ignore[union-attr]
        if name in moves:
            target = moves[name]
            target = target.format(index[1:-1]) if "{}" in target else target + index
            return target + path[len(head) :]
        head = head.rpartition(".")[0]
    return path
