"""Deconvolution: the gradient of a convolution, used to make an image larger."""

from __future__ import annotations

from typing import Any

from minicaffe.backend.geometry import Sizes
from minicaffe.layers.base_convolution import BaseConvolutionLayer
from minicaffe.layers.registry import register
from minicaffe.layers.window_param import check_columns


@register("Deconvolution")
class DeconvolutionLayer(BaseConvolutionLayer):
    """Transposed convolution of each bottom with the same weights: every pixel spreads a weighted kernel.

        y[n, o, q] = b[o] + sum over w[c, o, j] * x[n, c, p]
                     for c in o's group, pixels p and taps j with p * stride - pad + j * dilation = q

    bottom[i]: x (*batch, C, *image), all of one shape.  top[i]: y (*batch, O, *output).
    Output, in pixels: stride (in - 1) + dilation (kernel - 1) + 1 - 2 pad.
    blobs: w (C, O / group, *kernel); b (O) if bias_term.

    convolution_param: as Convolution's.  num_output and group both C, kernel_size 2 f - f mod 2, stride f,
    pad ceil((f - 1) / 2), weight_filler bilinear and no bias enlarge each channel f times by interpolation.
    Backward is a convolution: x and y, forward and the gradient to x change places.
    Source: Caffe's deconv_layer.cpp; Long et al., CVPR 2015, arXiv:1411.4038, section 3.3.
    """

    def weight_shape(self) -> Sizes:
        return (self.channels, self.num_output // self.group, *self.window.kernel)

    def output_size(self, image: Sizes) -> Sizes:
        return self.window.deconv_output(image)

    def check_columns(self, image: Sizes, output: Sizes) -> None:
        check_columns(self, self.num_output, self.window, output, image)

    def compute(self, x: Any, y: Any) -> None:
        weight = self.weight(self.blobs[0].data)
        self.kernels.conv_backward_data(x, weight, y, self.kernel_window, self.group, self.workspace)
        if self.bias is not None:
            self.kernels.add_bias(y, self.bias)

    def differentiate_parameters(self, x: Any, dy: Any, dweight: Any, dbias: Any) -> None:
        self.kernels.conv_backward_weight(dy, x, dweight, None, self.kernel_window, self.group, self.workspace)
        if dbias is not None:
            self.kernels.sum_to_channels(dy, dbias, self.workspace)

    def differentiate_data(self, dy: Any, dx: Any) -> None:
        weight = self.weight(self.blobs[0].data)
        self.kernels.conv_forward(dy, weight, None, dx, self.kernel_window, self.group, self.workspace)
