"""What Convolution and Deconvolution share: settings, parameter blobs, shapes, and views for the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from minicaffe.backend.geometry import Sizes, Window
from minicaffe.backend.regroup import regrouped, regrouped_out
from minicaffe.blob import Blob, shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import Blobs, Layer
from minicaffe.layers.window_param import check_num_axes, check_output, pictures, read_window


class BaseConvolutionLayer(Layer):
    """Windows over the axes behind the channel axis; the axes before it are batch.

    A subclass says how the output size follows from the input's, what shape the weights have, and how one
    bottom, its top and their gradients are computed, from arrays (N, C, *image) with at least one spatial axis.
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
        kernel = f" with kernel_size {list(self.window.kernel)}" if self.window.kernel else ""
        with self.blaming("convolution_param.num_output", f"{self.num_output}{kernel}"):
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

    def check_columns(self, image: Sizes, output: Sizes) -> None:
        """Refuse sizes for which the scratch memory of one picture would be absurd."""
        raise NotImplementedError

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        self.check_bottoms(bottom)
        shape = bottom[0].shape
        image = shape[self.channel_axis + 1 :]
        output = self.output_size(image)
        check_output(self, self.window, image, output)
        self.check_columns(image, output)
        with self.blaming("convolution_param.num_output", self.num_output):
            for blob in top:
                blob.reshape(*shape[: self.channel_axis], self.num_output, *output)

    def check_bottoms(self, bottom: Blobs) -> None:
        check_num_axes(self, bottom[0], self.num_axes)
        shape = bottom[0].shape
        if shape[self.channel_axis] != self.channels:
            text = f"bottom[0] has {shape[self.channel_axis]} channels, must have {self.channels} as the weights do"
            raise self.error(ShapeError, f"{text} (shape {shape_text(shape)})")
        for index, blob in enumerate(bottom):
            if blob.shape != shape:
                text = f"bottom[{index}] has the shape {shape_text(blob.shape)}"
                raise self.error(ShapeError, f"{text}, must have that of bottom[0], {shape_text(shape)}")

    # --- forward and backward, a pair of blobs at a time ---------------------------------------

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        for x, y in zip(bottom, top, strict=True):
            if y.count:
                with self.written(y.data, "convolution:y") as out:
                    self.compute(self.read(x.data, "convolution:x"), out)

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        for y, flag, x in zip(top, propagate_down, bottom, strict=True):
            if y.count:
                self.backward_parameters(x, y)
            if flag:
                self.backward_data(x, y)

    def backward_parameters(self, x: Blob, y: Blob) -> None:
        wanted = self.param_propagate_down
        if not any(wanted):
            return
        dy = self.read(y.diff, "convolution:y")
        dbias = self.blobs[1].diff if len(self.blobs) > 1 and wanted[1] else None
        if wanted[0]:
            dweight = self.weight(self.blobs[0].diff)
            self.differentiate_parameters(self.read(x.data, "convolution:x"), dy, dweight, dbias)
        elif dbias is not None:
            self.kernels.sum_to_channels(dy, dbias, self.workspace)

    def backward_data(self, x: Blob, y: Blob) -> None:
        if not y.count:
            x.diff.fill(0)
            return
        with self.written(x.diff, "convolution:x") as dx:
            self.differentiate_data(self.read(y.diff, "convolution:y"), dx)

    def compute(self, x: Any, y: Any) -> None:
        """y from x and the parameters."""
        raise NotImplementedError

    def differentiate_parameters(self, x: Any, dy: Any, dweight: Any, dbias: Any) -> None:
        """Add to dweight, and to dbias unless it is None."""
        raise NotImplementedError

    def differentiate_data(self, dy: Any, dx: Any) -> None:
        """dx from dy and the weights."""
        raise NotImplementedError

    # --- views for the kernels -----------------------------------------------------------------

    def read(self, array: Any, name: str) -> Any:
        """A bottom's or top's array as (N, C, *image), to be read.  name: of scratch memory, should it be copied."""
        return regrouped(array, pictures(array.shape, self.channel_axis), self.workspace, name)

    def written(self, array: Any, name: str) -> AbstractContextManager[Any]:
        """The same, to be overwritten in a `with` block."""
        return regrouped_out(array, pictures(array.shape, self.channel_axis), self.workspace, name)

    def weight(self, array: Any) -> Any:
        """The weights' data or diff with at least one spatial axis."""
        return array if self.window.kernel else array.reshape(*array.shape, 1)

    @property
    def bias(self) -> Any:
        return self.blobs[1].data if len(self.blobs) > 1 else None
