"""B-splines of order 0 to 5: what a pixel's coefficient counts at a distance, and coefficients of pixels.

    y(x) = sum over j of  c[j] B(x - j),    with c such that y(k) is pixel k

Of orders 0 and 1, nearest and linear, the coefficients are the pixels themselves.
Source: Unser, Splines: a perfect fit for signal and image processing, 1999, doi:10.1109/79.799930.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np


def b_spline(x: np.ndarray, order: int) -> np.ndarray:
    """B(x) = sum over k of  (-1)^k (order + 1 over k) max(0, x + (order + 1) / 2 - k)^order / order!

    Of order 0: 1, for x within half a pixel, whichever way it was rounded.
    """
    if order == 0:
        return np.ones_like(x)
    total = np.zeros_like(x)
    for k in range(order + 2):
        total += (-1) ** k * math.comb(order + 1, k) * np.maximum(x + (order + 1) / 2 - k, 0) ** order
    return total / math.factorial(order)


def coefficients(pixels: np.ndarray, order: int) -> np.ndarray:
    """c along axis 0, float64, of pixels that are mirrored at the first and the last one."""
    c = pixels.astype(np.float64)
    if len(c) > 1 and order > 1:
        for pole in _poles(order):
            _divide(c, pole)
    return c


@cache
def _poles(order: int) -> list[float]:
    """The roots within the unit circle of  sum over k of B(k) z^k,  by which pixels are divided to get coefficients."""
    reach = order // 2
    roots = np.roots(b_spline(np.arange(-reach, reach + 1.0), order))
    return [float(root.real) for root in roots if abs(root) < 1]


def _divide(c: np.ndarray, z: float) -> None:
    """Divide by one pole and its inverse, in place: forward, then backward.

    c+[k] = c[k] + z c+[k - 1],    c-[k] = z (c-[k + 1] - c+[k]),    times (1 - z) (1 - 1/z)
    """
    size = len(c)
    c *= (1 - z) * (1 - 1 / z)
    # What came before the first pixel: the mirrored image, round and round.
    weights = z ** np.arange(size) + z ** np.arange(2 * size - 2, size - 2, -1)
    weights[[0, -1]] = 1, z ** (size - 1)
    c[0] = np.tensordot(weights, c, 1) / (1 - z ** (2 * size - 2))
    for k in range(1, size):
        c[k] += z * c[k - 1]
    c[-1] = z / (z * z - 1) * (c[-1] + z * c[-2])
    for k in range(size - 2, -1, -1):
        c[k] = z * (c[k + 1] - c[k])
