"""Im2col: windows unfolded into channels."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.backend.regroup import regrouped, regrouped_out
from minicaffe.errors import ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.registry import register
from minicaffe.layers.window_param import check_columns, check_num_axes, check_output, pictures, read_window


@register("Im2col")
class Im2colLayer(Layer):
    """Every tap of every window of a channel becomes a channel.

        y[n, c * taps + t, p] = x[n, c, p * stride - pad + j * dilation], j the t-th tap, row by row;  0 outside x

    bottom[0]: x (*batch, C, *image), with at least one spatial axis.  top[0]: y (*batch, C * taps, *output).
    Output sizes, and convolution_param.kernel_size, stride, pad, dilation, axis: as Convolution's.
    Backward: a pixel's gradient is the sum over all that read it.
    Source: Caffe's im2col_layer.cpp.
    """

    exact_bottom = 1
    exact_top = 1

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.convolution_param
        self.num_axes = bottom[0].num_axes
        self.channel_axis = self.axis(bottom[0], param.axis, "convolution_param.axis")
        spatial = self.num_axes - self.channel_axis - 1
        if spatial < 1:
            text = f"is {param.axis}, the last of the bottom's {self.num_axes} axes: must leave spatial axes behind it"
            raise self.error(ShapeError, text, "convolution_param.axis")
        self.window = read_window(self, spatial)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        check_num_axes(self, bottom[0], self.num_axes)
        axis, shape = self.channel_axis, bottom[0].shape
        channels, image = shape[axis], shape[axis + 1 :]
        output = self.window.conv_output(image)
        check_output(self, self.window, image, output)
        check_columns(self, channels, self.window, image, output)
        with self.blaming("convolution_param.kernel_size", list(self.window.kernel)):
            top[0].reshape(*shape[:axis], channels * self.window.taps, *output)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        x, y, workspace = bottom[0].data, top[0].data, self.workspace
        if not y.size:
            return
        images = regrouped(x, pictures(x.shape, self.channel_axis), workspace, "im2col:x")
        with regrouped_out(y, pictures(y.shape, self.channel_axis), workspace, "im2col:y") as col:
            self.kernels.im2col(images, self.window, col, workspace)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        if not propagate_down[0]:
            return
        if not top[0].count:
            bottom[0].diff.fill(0)
            return
        dy, dx, workspace = top[0].diff, bottom[0].diff, self.workspace
        col = regrouped(dy, pictures(dy.shape, self.channel_axis), workspace, "im2col:y")
        with regrouped_out(dx, pictures(dx.shape, self.channel_axis), workspace, "im2col:x") as images:
            self.kernels.col2im(col, self.window, images, workspace)
