"""ContrastiveLoss: draws features of similar items together and pushes those of others apart."""

from __future__ import annotations

from collections.abc import Sequence

from minicaffe.backend.formula import formula
from minicaffe.backend.regroup import regrouped, regrouped_out
from minicaffe.blob import shape_text
from minicaffe.errors import ShapeError
from minicaffe.layers.base import Blobs
from minicaffe.layers.loss_layer import LossLayer
from minicaffe.layers.registry import register

# Keeps the slope finite where two dissimilar items have the same features.
SMALLEST_DISTANCE = 1e-4


@formula
def contrast(xp, squared, similar, *, margin, smallest):
    """(slope, loss) of items at the squared distance D^2."""
    distance = xp.sqrt(squared)
    missing = xp.maximum(margin - distance, 0)
    alike = xp.trunc(similar) != 0
    return xp.where(alike, 1, -missing / (distance + smallest)), xp.where(alike, squared, xp.square(missing))


@formula
def legacy_contrast(xp, squared, similar, *, margin):
    """(slope, loss), the margin compared with the squared distance."""
    missing = xp.maximum(margin - squared, 0)
    alike = xp.trunc(similar) != 0
    return xp.where(alike, 1, -xp.sign(missing)), xp.where(alike, squared, missing)


@formula
def scaled(xp, difference, slopes, slope):
    return difference * slopes * slope


@register("ContrastiveLoss")
class ContrastiveLossLayer(LossLayer):
    """Squared distance of similar pairs; of other pairs, the square of what they lack of a margin.

        D = sqrt(sum over c of (a - b)^2)
        loss = 1 / 2N * sum over pairs of  D^2 if similar, else max(margin - D, 0)^2
        da = weight / N * (a - b) * g = -db,  g = 1 if similar, else -max(margin - D, 0) / (D + 1e-4)

    legacy_version: of other pairs max(margin - D^2, 0), with g = -1 where that is above 0, else 0.

    bottom[0]: a, bottom[1]: b (N, C) or (N, C, 1, 1), features of N pairs; both have a gradient.
    bottom[2]: N flags, 0 (cut off to an integer) for dissimilar, anything else for similar; no gradient.
    top[0]: the loss, a scalar.
    contrastive_loss_param.margin (default 1); legacy_version (false).
    Source: Caffe's contrastive_loss_layer.cpp; Hadsell et al., CVPR 2006.
    """

    exact_bottom = 3
    not_forced = (2,)
    no_gradient = {2: "the flags"}

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        param = self.layer_param.contrastive_loss_param
        self.margin, self.legacy = param.margin, param.legacy_version
        # (N, C), and (N): what backward needs of the pairs.
        self.difference, self.slopes = self.new_blob((0, 0)), self.new_blob((0,))

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        super().reshape(bottom, top)
        self.refuse_many_axes(bottom)
        a, b, flags = (shape_text(blob.shape) for blob in bottom)
        for index, (blob, shape) in enumerate(zip(bottom[:2], (a, b), strict=True)):
            if blob.count_between(2) != 1:
                text = f"bottom[{index}] {shape} must have one value a channel: height and width must be 1"
                raise self.error(ShapeError, f"{text}; put a Flatten in front")
        pairs, channels = bottom[0].shape[0], bottom[0].count_between(1)
        if bottom[1].count_between(1) != channels:
            raise self.error(ShapeError, f"bottom[0] {a} and bottom[1] {b} must have equally many channels")
        if bottom[2].shape[:1] != (pairs,) or bottom[2].count_between(1) != 1:
            text = f"bottom[2] {flags} must hold {pairs} flags, one a pair, the sizes behind the first all 1"
            raise self.error(ShapeError, text)
        self.difference.reshape(pairs, channels)
        self.slopes.reshape(pairs)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        difference, slopes, flags = self.difference.data, self.slopes.data, bottom[2].data.reshape(-1)
        a, b = (regrouped(blob.data, difference.shape, self.workspace, "contrastive_loss") for blob in bottom[:2])
        self.xp.subtract(a, b, out=difference)
        squares = self.xp.square(difference, out=self.scratch(difference))
        squared = self.xp.sum(squares, axis=1, out=self.scratch(slopes, "contrastive_loss:squared"))
        if self.legacy:
            (total,) = self.sums(legacy_contrast, squared, flags, out=(slopes,), margin=self.margin)
        else:
            numbers = {"margin": self.margin, "smallest": SMALLEST_DISTANCE}
            (total,) = self.sums(contrast, squared, flags, out=(slopes,), **numbers)
        top[0].data[...] = total / (2 * max(1, len(slopes)))

    def backward(self, top: Blobs, propagate_down: Sequence[bool], bottom: Blobs) -> None:
        difference, slopes = self.difference.data, self.slopes.data.reshape(-1, 1)
        slope = self.slope(top, max(1, len(slopes)))
        for blob, wanted, factor in zip(bottom[:2], propagate_down, (slope, -slope), strict=False):
            if wanted:
                with regrouped_out(blob.diff, difference.shape, self.workspace, "contrastive_loss") as diff:
                    self.apply(scaled, difference, slopes, factor, out=diff)
