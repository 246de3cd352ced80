"""Windows unfolded into columns and folded back, in NumPy.

All taps of all windows are one strided view of the (padded) image, so unfolding is a single copy.
Folding adds, and windows overlap, so it goes tap by tap.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minicaffe.backend import layout
from minicaffe.backend.geometry import Window
from minicaffe.backend.workspace import Workspace


def im2col(x: np.ndarray, window: Window, col: np.ndarray, workspace: Workspace) -> None:
    image = padded(layout.batch_last(x), window, workspace)
    n, channels_taps, *output = col.shape
    shape = (n, channels_taps // window.taps, *window.kernel, *output)
    np.copyto(layout.batch_last(col.reshape(shape)), windows(image, window, tuple(output)))


def col2im(col: np.ndarray, window: Window, x: np.ndarray, workspace: Workspace) -> None:
    image = layout.batch_last(x)
    n, channels_taps, *output = col.shape
    taps = layout.batch_last(col.reshape(n, channels_taps // window.taps, window.taps, *output))
    sums = fold_target(image, window, workspace)
    sums.fill(0)
    fold(taps, window, sums)
    unpad(sums, window, image)


# --- one group of channels at a time: (C, *image) of one picture, or (C, *image, N) of a batch ---


def windows(image: np.ndarray, window: Window, output: tuple[int, ...]) -> np.ndarray:
    """Every tap of every window as a view, (C, *kernel, *output[, N]); `image` is padded already."""
    return as_strided(image, *places_of_taps(image.shape, image.strides, window, output), writeable=False)


@functools.lru_cache(maxsize=1024)
def places_of_taps(
    image: tuple[int, ...], steps: tuple[int, ...], window: Window, output: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(shape, strides) of the view that `windows` gives.  image, steps: the image's shape and strides."""
    axes = len(window.kernel)
    spatial = steps[1 : 1 + axes]
    tap_strides = tuple(s * d for s, d in zip(spatial, window.dilation, strict=True))
    output_strides = tuple(s * step for s, step in zip(spatial, window.stride, strict=True))
    shape = (image[0], *window.kernel, *output, *image[1 + axes :])
    return shape, (steps[0], *tap_strides, *output_strides, *steps[1 + axes :])


def fold(col: np.ndarray, window: Window, image: np.ndarray, lead: int = 1) -> None:
    """Add col (C, taps, *output[, N]) to the pixels of the padded image (C, *image[, N]) that each tap meets.

    lead: how many axes stand where C does.
    """
    axes = len(window.kernel)
    for tap, offset in enumerate(np.ndindex(*window.kernel)):
        part = col[(slice(None),) * lead + (tap,)]
        begins = (o * d for o, d in zip(offset, window.dilation, strict=True))
        sizes = zip(begins, window.stride, part.shape[lead : lead + axes], strict=True)
        place = (slice(None),) * lead + tuple(slice(b, b + s * (n - 1) + 1, s) if n else slice(0) for b, s, n in sizes)
        np.add(image[place], part, out=image[place])


@functools.lru_cache(maxsize=1024)
def padded_size(size: tuple[int, ...], window: Window) -> tuple[int, ...]:
    """The image with its padding, and what the last window reaches behind it (conv_output rounds towards zero)."""
    output = window.conv_output(size)
    parts = zip(size, window.pad, output, window.stride, window.extent, strict=True)
    return tuple(max(i + 2 * p, (o - 1) * s + e) for i, p, o, s, e in parts)


def padded(image: np.ndarray, window: Window, workspace: Workspace) -> np.ndarray:
    """`image` with zeros around it, in scratch memory; itself where no window leaves it."""
    result = fold_target(image, window, workspace)
    if result is not image:
        result.fill(0)
        np.copyto(inside(result, window, image), image)
    return result


def fold_target(image: np.ndarray, window: Window, workspace: Workspace) -> np.ndarray:
    """An array to fold onto, not yet zeroed: `image` itself where no window leaves it, else padded scratch memory."""
    axes = len(window.kernel)
    size = image.shape[1 : 1 + axes]
    outer = padded_size(size, window)
    if outer == size:
        return image
    return workspace.array("kernel:padded", (image.shape[0], *outer, *image.shape[1 + axes :]), image.dtype)


def unpad(sums: np.ndarray, window: Window, image: np.ndarray) -> None:
    """Copy the inside of a folded array back, if it is not the image itself."""
    if sums is not image:
        np.copyto(image, inside(sums, window, image))


def inside(padded_image: np.ndarray, window: Window, image: np.ndarray) -> np.ndarray:
    """The part of a padded image where `image` lies."""
    sizes = image.shape[1 : 1 + len(window.kernel)]
    place = (slice(None), *(slice(p, p + n) for p, n in zip(window.pad, sizes, strict=True)))
    return padded_image[place]
