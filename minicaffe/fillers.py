"""Fillers: the first values of a blob, chosen by FillerParameter.type.

For a blob of shape (s0, s1, ...) with n values: fan_in = n / s0, fan_out = n / s1 (n for one axis).
variance_norm picks F: FAN_IN, FAN_OUT or AVERAGE of both. Source: Caffe's filler.hpp.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minicaffe.backend import random
from minicaffe.blob import Blob, shape_text
from minicaffe.errors import ParamError, ShapeError

Filler = Callable[[tuple[int, ...], Any, np.random.Generator], Any]
_fillers: dict[str, Filler] = {}


def filler(function: Filler) -> Filler:
    """Decorator: the function's name is the filler's type."""
    _fillers[function.__name__] = function
    return function


def fill(blob: Blob, param: Any, seed: int, *key: str | int) -> None:
    """Fill blob.data as the FillerParameter `param` says.

    seed, key: what the random numbers depend on (layer name, blob index), see backend/random.py.
    Raises ParamError or ShapeError for an unknown type, an empty blob, settings that cannot be.
    """
    if param.type not in _fillers:
        raise ParamError(f'has the unknown type "{param.type}", must be one of {", ".join(sorted(_fillers))}')
    if param.sparse != -1 and param.type != "gaussian":
        raise ParamError(f'has sparse {param.sparse}: only the type "gaussian" can be sparse; leave it out')
    if not blob.count:
        raise ShapeError(f"cannot fill an empty blob of shape {shape_text(blob.shape)}")
    values = _fillers[param.type](blob.shape, param, random.generator(seed, "filler", *key))
    blob.data[...] = blob.backend.xp.asarray(np.asarray(values, blob.dtype))


@filler
def constant(shape, param, rng):
    """Every element = value."""
    return param.value


@filler
def uniform(shape, param, rng):
    """U[min, max]."""
    if param.min > param.max:
        raise ParamError(f"has min {param.min:g} above max {param.max:g}: swap them")
    if not math.isfinite(param.max - param.min):
        raise ParamError(f"has min {param.min:g} and max {param.max:g}: both must be finite numbers")
    return rng.uniform(param.min, param.max, shape)


@filler
def gaussian(shape, param, rng):
    """N(mean, std^2); with sparse >= 0 each element is kept with probability sparse / s0, else 0."""
    if not param.std > 0:
        raise ParamError(f'has std {param.std:g}, must be above 0; use the type "constant" for equal values')
    if param.sparse < -1:
        raise ParamError(f"has sparse {param.sparse}, must be 0 or more, or left out")
    values = rng.normal(param.mean, param.std, shape)
    if param.sparse >= 0:
        rows = first_axis(shape, "a sparse gaussian")
        if param.sparse > rows:
            raise ParamError(f"has sparse {param.sparse}, must be at most the first axis, {rows}")
        values *= rng.random(shape) < param.sparse / rows
    return values


@filler
def positive_unitball(shape, param, rng):
    """U[0, 1], then each of the s0 rows divided by its sum."""
    values = rng.random((first_axis(shape, "positive_unitball"), math.prod(shape[1:])))
    return (values / values.sum(axis=1, keepdims=True)).reshape(shape)


@filler
def xavier(shape, param, rng):
    """U[-a, a], a = sqrt(3 / F).  Source: Glorot & Bengio, AISTATS 2010."""
    limit = math.sqrt(3 / fan(shape, param, "xavier"))
    return rng.uniform(-limit, limit, shape)


@filler
def msra(shape, param, rng):
    """N(0, 2 / F).  Source: He et al., ICCV 2015, arXiv:1502.01852."""
    return rng.normal(0, math.sqrt(2 / fan(shape, param, "msra")), shape)


@filler
def bilinear(shape, param, rng):
    """The kernel of bilinear upsampling, on the last two axes: (1 - |x / f - c|) (1 - |y / f - c|).

    f = ceil(w / 2), c = (w - 1) / (2 f) for a w x w kernel.
    """
    if len(shape) != 4:
        raise ShapeError(f'of type "bilinear" needs a blob of 4 axes, not {shape_text(shape)}')
    if shape[2] != shape[3]:
        raise ShapeError(f'of type "bilinear" needs a square kernel, not {shape[2]} x {shape[3]}')
    factor = (shape[3] + 1) // 2
    center = (shape[3] - 1) / (2 * factor)
    profile = 1 - np.abs(np.arange(shape[3]) / factor - center)
    return np.broadcast_to(np.outer(profile, profile), shape)


def fan(shape: tuple[int, ...], param: Any, name: str) -> float:
    """F of the formulas: inputs or outputs per unit, as variance_norm says."""
    count = math.prod(shape)
    fan_in = count / first_axis(shape, name)
    fan_out = count / shape[1] if len(shape) > 1 else count
    return (fan_in, fan_out, (fan_in + fan_out) / 2)[param.variance_norm]


def first_axis(shape: tuple[int, ...], name: str) -> int:
    if not shape:
        raise ShapeError(f"of type {name} needs a blob with at least one axis, not a scalar")
    return shape[0]
