"""Images in another size, by splines. Rows first, then columns; pixel i of the new image lies among the old ones at

    with a border    x = (i + 1/2) size / new_size - 1/2      pixels are areas, around them everything is `border`
    without          x = i (size - 1) / (new_size - 1)        pixels are points, the corners stay corners

Nothing is smoothed before it shrinks. The first is skimage.transform.resize(mode="constant", anti_aliasing=False) of
scikit-image 0.19 to 0.26, the second scipy.ndimage.zoom of scipy 1.6 to 1.17. (There the last row or column gets lost
where (new_size - 1) times the rounded quotient comes out above size - 1; here it stays.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minicaffe.io.b_spline import b_spline, coefficients

ORDERS = range(6)
# Pixels of the border that splines of order 2 and more take part of; farther ones count less than 1e-5.
_PADDING = 12


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
    if order < 2:
        return _taps(x, order).apply(lines, np.result_type(lines.dtype, np.float32), border)
    padded = np.pad(lines.astype(np.float64), ((_PADDING, _PADDING), (0, 0)), constant_values=border)
    return _taps(x + _PADDING, order).apply(coefficients(padded, order), np.dtype(np.float64), border)


@dataclass(frozen=True)
class _Taps:
    """new row i = sum over t of  weight[i, t] * row index[i, t],  both (new_size, taps); weights add up to 1."""

    index: np.ndarray
    weight: np.ndarray

    def mirrored(self, size: int) -> _Taps:
        """Rows beyond the image, where the first and the last one are mirrors: -1 is 1, `size` is size - 2."""
        index = np.abs(self.index) % max(2 * size - 2, 1)
        return _Taps(np.minimum(index, max(2 * size - 2, 0) - index), self.weight)

    def apply(self, rows: np.ndarray, dtype: np.dtype, border: float | None = None) -> np.ndarray:
        """The new rows of (size, M), turned: (M, new_size). border: what rows beyond the image hold."""
        inside = (self.index >= 0) & (self.index < len(rows))
        index, weight = self.index.clip(0, len(rows) - 1), (self.weight * inside).astype(dtype)[..., np.newaxis]
        result = rows[index[:, 0]] * weight[:, 0]
        for tap in range(1, index.shape[1]):
            result += rows[index[:, tap]] * weight[:, tap]
        if border is not None:
            outside = (1 - weight.sum(axis=1)) * ~inside.all(axis=1, keepdims=True)
            result += (outside * border).astype(dtype)
        return np.ascontiguousarray(result.T, dtype)


def _taps(x: np.ndarray, order: int) -> _Taps:
    """The taps of a spline at places x."""
    first = np.floor(x if order % 2 else x + 0.5).astype(np.intp) - order // 2
    index = first[:, np.newaxis] + np.arange(order + 1)
    return _Taps(index, b_spline(x[:, np.newaxis] - index, order))
