"""One table of all layer types: what tests/layers/test_table.py has to know to put each through the same tests.

The rows stand in tests/rows/, one file a chapter of layers; here is what a row says, and TABLE, all of them.

    ROWS = {
        "ELU": Row(
            cases=(Case(), Case("elu_param { alpha: 0.5 }")),
            reference=lambda param, bottoms, blobs: [elu(bottoms[0], param.elu_param.alpha)],
            kinks=(0,),
            refused=(Refusal("elu_param { alpha: nan }", [(2, 3)], ParamError, "elu_param.alpha", "nan"),),
        ),
    }
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minicaffe.layers.base import TRAIN

SHAPE = (3, 4, 5)  # of one item: no two axes alike, so that two swapped axes cannot hide


def one_blob(rng, n):
    """The usual bottom: n items of SHAPE."""
    return (rng.normal(size=(n, *SHAPE)),)


def no_blob(rng, n):
    """The bottoms of a layer that has none."""
    return ()


@dataclass(frozen=True)
class Case:
    """One way to use a type.

    settings: the prototxt beside `type`, or a function of a fresh folder that puts files there and returns it.
    bottoms: a function of (rng, n) that gives the bottoms' values, n being the batch size.
    blobs: a function of (rng, shapes) that gives the parameters' values; normally distributed without it.
    gradient: the bottoms that have one, where they are not the row's.
    compared: False where the top is random, so that only its shape is known (the type's own test says more).
    prepare: what to do with the Run before its forward pass.
    in_place, in_place_gradient: False where Caffe's result in place, or only its gradient, is another one, which is
    mirrored (the type's own test says how).
    """

    settings: str | Callable[[Path], str] = ""
    bottoms: Callable = one_blob
    tops: int = 1
    phase: int = TRAIN
    blobs: Callable | None = None
    gradient: tuple[int, ...] | None = None
    compared: bool = True
    prepare: Callable | None = None
    in_place: bool = True
    in_place_gradient: bool = True


@dataclass(frozen=True)
class Refusal:
    """What a type must refuse, and how the error has to read.

    bottoms: arrays, or shapes for zeros.  field: the setting at fault, "" where it is a bottom.  words: what the
    text says besides: at least the value it got.  act: what to do with the Run, where set-up itself is in order.
    """

    settings: str | Callable[[Path], str]
    bottoms: list
    kind: type
    field: str
    words: tuple[str, ...]
    act: Callable | None = None
    tops: int = 1
    phase: int = TRAIN
    in_place: bool = False


@dataclass(frozen=True)
class Row:
    """A layer type.

    reference: a function of (the LayerParameter, the bottoms, the blobs), all in float64, that gives the list of
    tops by the definition, one number at a time; its param has the phase filled in.
    gradient: the bottoms that have one; None for a layer without any backward.  kinks: values of bottom elements
    where the derivative jumps.  parameters: the blobs that have a gradient, None for all.
    once: whether it runs forward only once.
    batches: the batch sizes it can take beside 2 (where 0 or 1 makes no sense, say why).
    """

    cases: tuple[Case, ...]
    reference: Callable | None
    gradient: tuple[int, ...] | None = (0,)
    kinks: tuple[float, ...] = ()
    parameters: tuple[int, ...] | None = None
    once: bool = False
    batches: tuple[int, ...] = (0, 1, 17)
    refused: tuple[Refusal, ...] = ()


def _collect() -> dict[str, Row]:
    table: dict[str, Row] = {}
    for path in sorted(Path(__file__).with_name("rows").glob("*.py")):
        rows = importlib.import_module(f"rows.{path.stem}").ROWS
        assert not set(rows) & set(table), f"{path.name}: {set(rows) & set(table)} stand in another file too"
        table.update(rows)
    return dict(sorted(table.items()))


TABLE = _collect()
