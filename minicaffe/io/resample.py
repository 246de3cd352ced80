"""Images in another size, by splines. Rows first, then columns; pixel i of the new image lies among the old ones at

    with a border    x = (i + 1/2) size / new_size - 1/2      pixels are areas, around them everything is `border`
    without          x = i (size - 1) / (new_size - 1)        pixels are points, the corners stay corners

With a border an axis that shrinks is smoothed before, by a Gaussian of sigma = (size / new_size - 1) / 2 pixels.

The first is skimage.transform.resize(mode="constant") of scikit-image 0.19 to 0.26, which smooths by default since
0.15; the second scipy.ndimage.zoom of scipy 1.6 to 1.17. (There the last row or column gets lost where (new_size - 1)
times the rounded quotient comes out above size - 1; here it stays.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minicaffe.io.b_spline import b_spline, coefficients

ORDERS = range(6)
# Pixels of the border that splines of order 2 and more take part of; farther ones count less than 1e-5.
_PADDING = 12
# The Gaussian's reach, in sigma.
_REACH = 4.0
# New rows that are computed by one product of matrices.
_BLOCK = 16


def resample(image: np.ndarray, height: int, width: int, order: int, border: float | None = None) -> np.ndarray:
    """An image (H, W, K) of real numbers as (height, width, K), float32 or float64.

    order: one of ORDERS. From 2 on values may swing beyond the image's own.
    float32 where a border is given, the order is 0 or 1, and float32 holds all values of the image's dtype.
    """
    if image.shape[:2] == (height, width):
        return image
    rows, columns, channels = image.shape
    # Each pass turns what it gives, so that both go along axis 0, and no other copy is made: (W K, h), then (K h, w).
    lines = _pass(image.reshape(rows, columns * channels), height, order, border)
    lines = _pass(lines.reshape(columns, channels * height), width, order, border)
    return lines.reshape(channels, height, width).transpose(1, 2, 0)


def _pass(lines: np.ndarray, new_size: int, order: int, border: float | None) -> np.ndarray:
    """Rows of any length, (size, M), in another number, turned: (M, new_size)."""
    size = len(lines)
    if size == new_size:
        return np.ascontiguousarray(lines.T)
    if border is None:
        x = np.minimum(np.arange(new_size) * ((size - 1) / max(new_size - 1, 1)), size - 1)
        return _taps(x, order).mirrored(size).apply(coefficients(lines, order), np.dtype(np.float64))
    x = (np.arange(new_size) + 0.5) * (size / new_size) - 0.5
    gaussian = _gaussian((size / new_size - 1) / 2)
    dtype = np.result_type(lines.dtype, np.float32)
    if order < 2:
        return _taps(x, order).smoothed(gaussian).apply(lines, dtype, border)
    smooth = _Taps(np.arange(size)[:, np.newaxis], np.ones((size, 1))).smoothed(gaussian)
    lines = smooth.apply(lines, np.dtype(np.float64), border).T
    padded = np.pad(lines, ((_PADDING, _PADDING), (0, 0)), constant_values=border)
    return _taps(x + _PADDING, order).apply(coefficients(padded, order), np.dtype(np.float64), border)


def _gaussian(sigma: float) -> np.ndarray:
    """Weights that add up to 1, an odd number of them; one alone where nothing shrinks."""
    if sigma <= 0:
        return np.ones(1)
    radius = int(_REACH * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return weights / weights.sum()


@dataclass(frozen=True)
class _Taps:
    """new row i = sum over t of  weight[i, t] * row index[i, t],  both (new_size, taps); weights add up to 1."""

    index: np.ndarray
    weight: np.ndarray

    def smoothed(self, kernel: np.ndarray) -> _Taps:
        """Of rows that pass through a filter before."""
        taps, reach = self.index.shape[1], len(kernel) // 2
        weight = np.zeros((len(self.index), taps + 2 * reach))
        for tap in range(taps):
            weight[:, tap : tap + len(kernel)] += self.weight[:, tap, np.newaxis] * kernel
        return _Taps(self.index[:, :1] - reach + np.arange(weight.shape[1]), weight)

    def mirrored(self, size: int) -> _Taps:
        """Rows beyond the image, where the first and the last one are mirrors: -1 is 1, `size` is size - 2."""
        index = np.abs(self.index) % max(2 * size - 2, 1)
        return _Taps(np.minimum(index, max(2 * size - 2, 0) - index), self.weight)

    def apply(self, rows: np.ndarray, dtype: np.dtype, border: float | None = None) -> np.ndarray:
        """The new rows of (size, M), turned: (M, new_size). border: what rows beyond the image hold."""
        inside = (self.index >= 0) & (self.index < len(rows))
        index, weight = self.index.clip(0, len(rows) - 1), self.weight * inside
        result = np.empty((rows.shape[1], len(index)), dtype)
        # Blocks: a matrix of all rows would be nearly empty. One by one where a NaN must not spread to its neighbours.
        step = 1 if border is None else _BLOCK
        for start in range(0, len(index), step):
            block = slice(start, start + step)
            first, end = index[block].min(), index[block].max() + 1
            matrix = np.zeros((len(index[block]), end - first))
            np.add.at(matrix, (np.arange(len(matrix))[:, np.newaxis], index[block] - first), weight[block])
            np.matmul(rows[first:end].astype(dtype, copy=False).T, matrix.T.astype(dtype), out=result[:, block])
        if border is not None:
            outside = 1 - weight.sum(axis=1)
            outside[inside.all(axis=1)] = 0
            result += (outside * border).astype(dtype)
        return result


def _taps(x: np.ndarray, order: int) -> _Taps:
    """The taps of a spline at places x."""
    first = np.floor(x if order % 2 else x + 0.5).astype(np.intp) - order // 2
    index = first[:, np.newaxis] + np.arange(order + 1)
    return _Taps(index, b_spline(x[:, np.newaxis] - index, order))
