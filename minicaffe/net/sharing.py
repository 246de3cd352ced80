"""Parameters of a net: which are shared, and the learning-rate and decay factors of those that are learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from minicaffe import log
from minicaffe.blob import Blob, shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import Layer
from minicaffe.proto import caffe_pb2

PERMISSIVE = 1


@dataclass
class Parameter:
    """A learnable blob with its owner's place and its factors."""

    blob: Blob
    layer: Layer
    index: int
    lr_mult: float | None
    decay_mult: float | None
    sharers: list[Blob] = field(default_factory=list)

    @property
    def display_name(self) -> str:
        return param_spec(self.layer, self.index).name or str(self.index)


def param_spec(layer: Layer, index: int) -> Any:
    specs = layer.layer_param.param
    return specs[index] if index < len(specs) else caffe_pb2.ParamSpec()


def collect_parameters(layers: Sequence[Layer]) -> list[Parameter]:
    """Every parameter that is not a sharer, in layer order; sharers hang on their owners.

    A parameter with a name seen before shares data and diff with the first of that name.
    Raises ParamError or ShapeError where they do not fit (net.cpp, AppendParam).
    """
    owners: dict[str, Parameter] = {}
    parameters = []
    for layer in layers:
        if len(layer.layer_param.param) > len(layer.blobs):
            text = f"Too many params specified for layer {layer.name}: it has {len(layer.blobs)} parameter blobs"
            raise layer.error(ParamError, text, f"param[{len(layer.blobs)}]")
        for index, blob in enumerate(layer.blobs):
            spec = param_spec(layer, index)
            owner = owners.get(spec.name) if spec.name else None
            if owner is not None:
                share(owner, layer, index, blob, spec)
                continue
            lr_mult = spec.lr_mult if spec.HasField("lr_mult") else None
            decay_mult = spec.decay_mult if spec.HasField("decay_mult") else None
            parameter = Parameter(blob, layer, index, lr_mult, decay_mult)
            parameters.append(parameter)
            if spec.name:
                owners[spec.name] = parameter
    return parameters


def share(owner: Parameter, layer: Layer, index: int, blob: Blob, spec: Any) -> None:
    """Check that blob may share owner's memory, agree on the factors, and note it."""
    log.info(f"Sharing parameters '{spec.name}' owned by layer '{owner.layer.name}', param index {owner.index}")
    same_count = blob.count == owner.blob.count
    if not same_count or (spec.share_mode != PERMISSIVE and blob.shape != owner.blob.shape):
        what = "count" if spec.share_mode == PERMISSIVE else "shape"
        text = (
            f"Cannot share param '{spec.name}' owned by layer '{owner.layer.name}' with layer '{layer.name}'; "
            f"{what} mismatch. Owner layer param shape is {shape_text(owner.blob.shape)}; "
            f"sharing layer expects {what} {shape_text(blob.shape)}"
        )
        raise layer.error(ShapeError, text, f"param[{index}].name")
    for factor in ("lr_mult", "decay_mult"):
        if not spec.HasField(factor):
            continue
        given, value = getattr(owner, factor), getattr(spec, factor)
        if given is not None and given != value:
            text = f"is {value:g}: Shared param '{spec.name}' has mismatched {factor}. Its owner has {given:g}"
            raise layer.error(ParamError, f"{text}; give it once, or the same everywhere", f"param[{index}].{factor}")
        setattr(owner, factor, value)
    owner.sharers.append(blob)
