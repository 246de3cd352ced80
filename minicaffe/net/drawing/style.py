"""How things look: colours by kind of layer, sizes of text, spaces. Lengths in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NAME_SIZE, TYPE_SIZE, DETAIL_SIZE, LABEL_SIZE = 12.0, 11.0, 10.0, 10.0
LINE = 1.3  # height of a line of text, in its size
PADDING_X, PADDING_Y = 9.0, 5.0
RADIUS = 4.0
MARGIN = 12.0
LINE_WIDTH = 1.2
ARROW_LENGTH, ARROW_WIDTH = 7.0, 6.0
DASH, HALO = 3.0, 3.0

INK, INK_SOFT, WIRE, GROUND = "#1f2328", "#4a525b", "#6b7480", "#ffffff"


@dataclass(frozen=True)
class Colors:
    fill: str
    stroke: str


BLOB = Colors("#eef0f2", "#8c959f")
IN_PLACE = Colors("#dcf2dc", "#4c9a4f")
OTHER = Colors("#dbe7fa", "#4a7fd0")
_KINDS = {
    Colors("#fbdcd8", "#d2564a"): ("Convolution", "Deconvolution", "Im2col"),
    Colors("#fde8c4", "#d9932b"): ("Pooling", "SPP"),
    Colors("#ead9f7", "#9155c4"): ("InnerProduct", "Embed", "LSTM", "RNN", "LSTMUnit"),
    Colors("#d8f0f0", "#3b9797"): ("LRN", "BatchNorm", "MVN", "Scale", "Bias", "Normalize"),
    Colors("#e3e6ea", "#68727d"): (
        *("Data", "DummyData", "HDF5Data", "HDF5Output", "ImageData", "Input", "MemoryData", "WindowData", "Parameter"),
    ),
    Colors("#fbd9e9", "#c94f8c"): ("Accuracy", "Softmax", "ArgMax"),
}
_OF_TYPE = {name: colors for colors, names in _KINDS.items() for name in names}
_LOSS = _OF_TYPE["Accuracy"]


def colors_of(layer: Any, in_place: bool = False) -> Colors:
    """Green for what works in place, as in Caffe's drawings; else by the layer's type."""
    if in_place:
        return IN_PLACE
    return _OF_TYPE.get(layer.type, _LOSS if layer.type.endswith("Loss") else OTHER)
