"""What Convolution and Deconvolution share: settings, parameter blobs, shapes, and views for the kernels."""

from __future__ import annotations

import math
from typing import Any

from minicaffe.backend.geometry import Sizes, Window
from minicaffe.blob import shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.window_param import check_padded, read_window


class BaseConvolutionLayer(Layer):
    """Windows over the axes behind the channel axis; the axes before it are batch.

    A subclass says how the output size follows from the input's and what shape the weights have.
    The channel axis, the number of axes and the channels stay as they were at set-up.
    """

    min_bottom = 1
    min_top = 1
    equal_bottom_top = True

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.convolution_param
        self.channel_axis = self.axis(bottom[0], param.axis, "convolution_param.axis")
        self.num_axes = bottom[0].num_axes
        self.channels = bottom[0].shape[self.channel_axis]
        self.window = read_window(self, self.num_axes - self.channel_axis - 1)
        self.num_output, self.group = param.num_output, param.group
        self.check_channels()
        # Without spatial axes the kernels still get one, of a single pixel.
        self.kernel_window = self.window if self.window.kernel else Window.of((1,))
        self.add_parameter(self.weight_shape(), param.weight_filler, "convolution_param.weight_filler")
        if param.bias_term:
            self.add_parameter((self.num_output,), param.bias_filler, "convolution_param.bias_filler")

    def check_channels(self) -> None:
        if not self.num_output:
            text = "is 0 or absent, must be 1 or more: how many channels the top has"
            raise self.error(ParamError, text, "convolution_param.num_output")
        if not self.group:
            raise self.error(ParamError, "is 0, must be 1 or more; omit it for 1", "convolution_param.group")
        for count, what in ((self.channels, "channels of the bottom"), (self.num_output, "outputs (num_output)")):
            if count % self.group:
                text = f"is {self.group}, which does not divide the {count} {what}"
                raise self.error(ParamError, text, "convolution_param.group")

    def weight_shape(self) -> Sizes:
        raise NotImplementedError

    def output_size(self, image: Sizes) -> Sizes:
        """Spatial sizes of the top; may be negative, which reshape refuses."""
        raise NotImplementedError

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        self.check_bottoms(bottom)
        shape = bottom[0].shape
        image = shape[self.channel_axis + 1 :]
        check_padded(self, self.channels, image, self.window)
        output = self.output_size(image)
        if any(size < 0 for size in output):
            text = f"an image of {list(image)} pixels gives an output of {list(output)}: kernel_size"
            text += f" {list(self.window.kernel)} with pad {list(self.window.pad)} does not fit into it"
            raise self.error(ShapeError, text, "convolution_param")
        for blob in top:
            blob.reshape(*shape[: self.channel_axis], self.num_output, *output)

    def check_bottoms(self, bottom: Blobs) -> None:
        shape = bottom[0].shape
        if len(shape) != self.num_axes:
            text = f"bottom[0] has the shape {shape_text(shape)}, must keep the {self.num_axes} axes it had at set-up"
            raise self.error(ShapeError, text)
        if shape[self.channel_axis] != self.channels:
            text = f"bottom[0] has {shape[self.channel_axis]} channels, must have {self.channels} as the weights do"
            raise self.error(ShapeError, f"{text} (shape {shape_text(shape)})")
        for index, blob in enumerate(bottom):
            if blob.shape != shape:
                text = f"bottom[{index}] has the shape {shape_text(blob.shape)}"
                raise self.error(ShapeError, f"{text}, must have that of bottom[0], {shape_text(shape)}")

    # --- views for the kernels -----------------------------------------------------------------

    def pictures(self, shape: Sizes) -> Sizes:
        """A bottom's or top's shape as the kernels want it: (N, C, *image), all batch axes one."""
        image = shape[self.channel_axis + 1 :] or (1,)
        return (math.prod(shape[: self.channel_axis]), shape[self.channel_axis], *image)

    def weight(self, array: Any) -> Any:
        """The weights' data or diff with at least one spatial axis."""
        return array if self.window.kernel else array.reshape(*array.shape, 1)

    @property
    def bias(self) -> Any:
        return self.blobs[1].data if len(self.blobs) > 1 else None
