"""Calls of the kernels that compare probabilities with labels."""

from __future__ import annotations

import numpy as np


def cases(rng, prob, label, axis, ignore, workspace):
    """For the same probabilities: any, impossible (clamped), not numbers.  Labels are read towards zero."""
    classes = prob.shape[axis]
    matrix, scale, out = rng.normal(size=(classes, classes)), np.array(-0.7), np.full_like(prob, np.nan)
    cut_off = np.where(label == ignore, label, label + 0.75)
    undefined = np.where(rng.random(prob.shape) < 0.1, np.nan, prob)
    for these, labels in [(prob, label), (prob * 0, np.asarray(cut_off)), (undefined, label)]:
        for smallest in (1.1754943508222875e-38, 1e-20):
            yield "log_loss_forward", (these, labels, axis, ignore, smallest, workspace)
            yield "infogain_loss_forward", (these, labels, matrix, axis, ignore, smallest, workspace)
        yield "softmax_loss_backward", (these, labels, axis, ignore, scale, out)
        yield "infogain_loss_backward", (these, labels, matrix, axis, ignore, scale, out, workspace)
