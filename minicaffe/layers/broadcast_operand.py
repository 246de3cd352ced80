"""What Scale and Bias share: a second operand, given or learned, that is broadcast over the first."""

from __future__ import annotations

from typing import Any, ClassVar

from minicaffe.backend.formula import Formula
from minicaffe.blob import Blob, shape_text
from minicaffe.errors import ParamError, ShapeError
from minicaffe.layers.base import Blobs, Layer


class BroadcastOperandLayer(Layer):
    """A layer of x = bottom[0] and an operand, bottom[1] or blobs[0], that covers the axes of x from `axis` on.

    An operand without axes is one number for all of x, whatever `axis` says.
    """

    min_bottom = 1
    max_bottom = 2
    exact_top = 1
    in_place = True
    # The field of the layer's settings: "scale_param".
    settings: ClassVar[str] = ""

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.param = getattr(self.layer_param, self.settings)
        self.learned = len(bottom) == 1

    def operand(self, bottom: Blobs) -> Blob:
        return self.blobs[0] if self.learned else bottom[1]

    def operand_shape(self, bottom: Blobs) -> tuple[int, ...]:
        """Of the learned operand: num_axes axes of x, from `axis` on."""
        shape, count = bottom[0].shape, self.param.num_axes
        first = self.axis(bottom[0], self.param.axis, f"{self.settings}.axis")
        if count < -1:
            text = f"is {count}, must be 0 (one number for all), more, or -1: all axes from `axis` on"
            raise self.error(ParamError, text, f"{self.settings}.num_axes")
        if first + count > len(shape):
            text = f"is {count}: bottom[0] {shape_text(shape)} has only {len(shape) - first} axes from axis {first} on"
            raise self.error(ShapeError, text, f"{self.settings}.num_axes")
        return shape[first:] if count == -1 else shape[first : first + count]

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        operand, x = self.operand(bottom), bottom[0]
        self.first_axis = self.axis(x, self.param.axis, f"{self.settings}.axis") if operand.num_axes else 0
        covered = x.shape[self.first_axis : self.first_axis + operand.num_axes]
        if covered != operand.shape:
            name = "blobs[0]" if self.learned else "bottom[1]"
            text = f"{name} has the shape {shape_text(operand.shape)}, bottom[0] {shape_text(x.shape)}: from axis"
            text = f"{text} {self.first_axis} on that is {shape_text(covered)}, and both must be the same"
            raise self.error(ShapeError, text)
        top[0].reshape_like(x)

    def over(self, operand: Any, x: Any) -> Any:
        """An array of the operand's shape with as many axes as x, a view."""
        behind = x.ndim - self.first_axis - operand.ndim
        return operand.reshape((1,) * self.first_axis + operand.shape + (1,) * behind)

    def give_gradients(self, formula: Formula, arrays: tuple, *operands: Blob) -> None:
        """Each operand's diff from the formula's results, summed over all that operands are broadcast along.

        Added to that of a learned operand; it overwrites that of bottom[1].
        """
        sums = [self.scratch(o.diff, f"operand:{i}") if o in self.blobs else o.diff for i, o in enumerate(operands)]
        out = tuple(self.over(array, arrays[0]) for array in sums)
        self.kernels.sum_to(formula, arrays, out, {}, self.workspace)
        for operand, array in zip(operands, sums, strict=True):
            if operand in self.blobs:
                operand.diff[...] += array
