"""How many multiply-adds a layer's forward pass takes."""

from __future__ import annotations

from minicaffe.blob import Blob
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.base_recurrent import RecurrentLayer
from minicaffe.layers.convolution import ConvolutionLayer
from minicaffe.layers.deconvolution import DeconvolutionLayer
from minicaffe.layers.inner_product import InnerProductLayer


def multiply_adds(layer: Layer, bottom: Blobs, top: Blobs) -> int | None:
    """Of the layer's matrix products, for the whole batch. None for a layer of the user's own, which nobody can know.

        Convolution       values of the top * channels / group * taps of the kernel
        Deconvolution     values of the bottom * num_output / group * taps of the kernel
        InnerProduct      rows * inputs * num_output
        RNN, LSTM         values of each weight matrix, at each of T * N steps; at each of N for the static input's
        all others        0

    One multiply-add is a product and its sum: two floating-point operations. Windows count whole at the border,
    where some of their taps lie in the padding. Not counted is what no matrix product does: biases, sums, comparisons,
    averages, Scale's products, lookups (Embed).
    """
    if isinstance(layer, ConvolutionLayer):
        return sum(y.count for y in top) * layer.blobs[0].count_between(1)
    if isinstance(layer, DeconvolutionLayer):
        return sum(x.count for x in bottom) * layer.blobs[0].count_between(1)
    if isinstance(layer, InnerProductLayer):
        return bottom[0].count * layer.num_output
    if isinstance(layer, RecurrentLayer):
        return recurrent(layer, bottom[0])
    return 0 if type(layer).__module__.startswith("minicaffe.") and layer.type != "Python" else None


def recurrent(layer: RecurrentLayer, x: Blob) -> int:
    """x: (T, N, ...)."""
    static = layer.blobs[2].count if layer.has_static else 0
    matrices = sum(blob.count for blob in layer.blobs if blob.num_axes == 2)
    return x.shape[1] * (x.shape[0] * (matrices - static) + static)
