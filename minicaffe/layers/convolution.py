"""Convolution: N-dimensional cross-correlation with groups."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.geometry import Sizes
from minicaffe.layers.base_convolution import BaseConvolutionLayer
from minicaffe.layers.registry import register
from minicaffe.layers.window_param import check_columns


@register("Convolution")
class ConvolutionLayer(BaseConvolutionLayer):
    """Cross-correlation (no flip of the kernel) of each bottom with the same weights.

        y[n, o, p] = b[o] + sum over c in o's group, taps j of w[o, c, j] * x[n, c, p * stride - pad + j * dilation]

    bottom[i]: x (*batch, C, *image), all of one shape.  top[i]: y (*batch, O, *output).  x is 0 outside the image.
    Output, in pixels: (in + 2 pad - dilation (kernel - 1) - 1) / stride + 1, divided towards zero.
    blobs: w (O, C / group, *kernel); b (O) if bias_term.

    convolution_param: num_output (O), kernel_size, stride (1), pad (0), dilation (1): once or per spatial axis,
    or kernel_h and kernel_w...; group (1): channels and outputs are cut into this many parts that do not meet;
    axis (1): the channel axis, axes before it are batch; bias_term (true), weight_filler, bias_filler.
    engine and force_nd_im2col choose among Caffe's implementations and change nothing here.
    Source: Caffe's conv_layer.cpp, base_conv_layer.cpp.
    """

    def weight_shape(self) -> Sizes:
        return (self.num_output, self.channels // self.group, *self.window.kernel)

    def output_size(self, image: Sizes) -> Sizes:
        return self.window.conv_output(image)

    def check_columns(self, image: Sizes, output: Sizes) -> None:
        check_columns(self, self.channels, self.window, image, output)

    def compute(self, x: Any, y: Any) -> None:
        weight = self.weight(self.blobs[0].data)
        self.kernels.conv_forward(x, weight, self.bias, y, self.kernel_window, self.group, self.workspace)

    def differentiate_parameters(self, x: Any, dy: Any, dweight: Any, dbias: Any) -> None:
        self.kernels.conv_backward_weight(x, dy, dweight, dbias, self.kernel_window, self.group, self.workspace)

    def differentiate_data(self, dy: Any, dx: Any) -> None:
        weight = self.weight(self.blobs[0].data)
        self.kernels.conv_backward_data(dy, weight, dx, self.kernel_window, self.group, self.workspace)
