"""Parameters of a net: which are shared, and the learning-rate and decay factors of those that are learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from minicaffe import log
from minicaffe.blob import Blob, shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import Layer
from minicaffe.proto import caffe_pb2

FACTORS = ("lr_mult", "decay_mult")


@dataclass
class Parameter:
    """A learnable blob, where it belongs, and its factors; None for one that nobody has set."""

    blob: Blob
    layer: Layer
    index: int
    lr_mult: float | None
    decay_mult: float | None


def param_spec(layer: Layer, index: int) -> Any:
    """The ParamSpec of a layer's blob, as the layer sees it after its set-up."""
    specs = layer.layer_param.param
    return specs[index] if index < len(specs) else caffe_pb2.ParamSpec()


def display_name(layer: Layer, index: int) -> str:
    """What log lines call a parameter: its name, or else its number in the layer."""
    return param_spec(layer, index).name or str(index)


class ParameterTable:
    """The parameters of a net, taken in layer by layer. As net.cpp, AppendParam.

    learnable: those that are not sharers, in layer order.
    """

    def __init__(self) -> None:
        self.learnable: list[Parameter] = []
        self._owners: dict[str, Parameter] = {}

    def add_layer(self, layer: Layer) -> None:
        """Take in a layer's blobs. One with a name seen before shares data and diff with the first of that name.

        Raises ParamError or ShapeError where they do not fit.
        """
        count = len(layer.blobs)
        if len(layer.layer_param.param) > count:
            text = f"is one too many: Too many params specified for layer {layer.name}, which has {count} parameter"
            raise layer.error(ParamError, f"{text} blob{'s' * (count != 1)}; take it out", f"param[{count}]")
        for index, blob in enumerate(layer.blobs):
            spec = param_spec(layer, index)
            owner = self._owners.get(spec.name) if spec.name else None
            if owner is not None:
                share(owner, layer, index, spec)
                continue
            factors = [getattr(spec, factor) if spec.HasField(factor) else None for factor in FACTORS]
            parameter = Parameter(blob, layer, index, *factors)
            self.learnable.append(parameter)
            if spec.name:
                self._owners[spec.name] = parameter


def share(owner: Parameter, layer: Layer, index: int, spec: Any) -> None:
    """Let a layer's blob use owner's memory, if it may, and agree on the factors."""
    log.info(f"Sharing parameters '{spec.name}' owned by layer '{owner.layer.name}', param index {owner.index}")
    check_shape(owner, layer, index, spec)
    for factor in FACTORS:
        if not spec.HasField(factor):
            continue
        given, value = getattr(owner, factor), getattr(spec, factor)
        if given is not None and given != value:
            text = f"is {value:g}: Shared param '{spec.name}' has mismatched {factor}. It is {given:g} in layer"
            text += f" '{owner.layer.name}' or an earlier sharer; give it once, or the same everywhere"
            raise layer.error(ParamError, text, f"param[{index}].{factor}")
        setattr(owner, factor, value)
    layer.borrow_parameter(index, owner.blob)


def check_shape(owner: Parameter, layer: Layer, index: int, spec: Any) -> None:
    """The sharer's share_mode decides: the same shape (STRICT), or only the same count (PERMISSIVE)."""
    blob, permissive = layer.blobs[index], spec.share_mode == caffe_pb2.ParamSpec.PERMISSIVE
    if blob.count == owner.blob.count if permissive else blob.shape == owner.blob.shape:
        return
    what = "count" if permissive else "shape"
    text = (
        f"is '{spec.name}': Cannot share param '{spec.name}' owned by layer '{owner.layer.name}' with layer "
        f"'{layer.name}'; {what} mismatch. Owner layer param shape is {shape_text(owner.blob.shape)}; "
        f"sharing layer expects {what} {shape_text(blob.shape)}"
    )
    hint = "" if permissive or blob.count != owner.blob.count else "; share_mode: PERMISSIVE allows equal counts"
    raise layer.error(ShapeError, f"{text}{hint or '; rename one of the two'}", f"param[{index}].name")
