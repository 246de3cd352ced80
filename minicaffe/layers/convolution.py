"""Convolution: N-dimensional cross-correlation with groups."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.backend.geometry import Sizes
from minicaffe.backend.regroup import regrouped, regrouped_out
from minicaffe.blob import Blob
from minicaffe.layers.base import Blobs
from minicaffe.layers.base_convolution import BaseConvolutionLayer
from minicaffe.layers.registry import register


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

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        weight, workspace = self.weight(self.blobs[0].data), self.workspace
        for x, y in zip(bottom, top, strict=True):
            if not y.count:
                continue
            images = regrouped(x.data, self.pictures(x.shape), workspace, "convolution:x")
            with regrouped_out(y.data, self.pictures(y.shape), workspace, "convolution:y") as out:
                self.kernels.conv_forward(images, weight, self.bias, out, self.kernel_window, self.group, workspace)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        for y, flag, x in zip(top, propagate_down, bottom, strict=True):
            if y.count:
                self.backward_parameters(x, y)
            if flag:
                self.backward_data(x, y)

    def backward_parameters(self, x: Blob, y: Blob) -> None:
        wanted, workspace = self.param_propagate_down, self.workspace
        if not any(wanted):
            return
        dy = regrouped(y.diff, self.pictures(y.shape), workspace, "convolution:y")
        dbias = self.blobs[1].diff if len(self.blobs) > 1 and wanted[1] else None
        if wanted[0]:
            images = regrouped(x.data, self.pictures(x.shape), workspace, "convolution:x")
            dweight = self.weight(self.blobs[0].diff)
            self.kernels.conv_backward_weight(images, dy, dweight, dbias, self.kernel_window, self.group, workspace)
        elif dbias is not None:
            self.kernels.sum_to_channels(dy, dbias, workspace)

    def backward_data(self, x: Blob, y: Blob) -> None:
        if not y.count:
            x.diff.fill(0)
            return
        weight, workspace = self.weight(self.blobs[0].data), self.workspace
        dy = regrouped(y.diff, self.pictures(y.shape), workspace, "convolution:y")
        with regrouped_out(x.diff, self.pictures(x.shape), workspace, "convolution:x") as dx:
            self.kernels.conv_backward_data(dy, weight, dx, self.kernel_window, self.group, workspace)
