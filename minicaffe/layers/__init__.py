"""All layer types: importing this package registers them."""

from minicaffe.layers import (  # noqa: F401
    accuracy,
    convolution,
    data,
    dummy_data,
    inner_product,
    input,
    pooling,
    relu,
    softmax,
    softmax_loss,
    split,
)
from minicaffe.layers.registry import layer_class, layer_type_list

__all__ = ["layer_class", "layer_type_list"]
