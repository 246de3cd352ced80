"""pycaffe's older way to make a net: Net(network_file, weights_file, phase)."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

from minicaffe import log

Init = TypeVar("Init", bound=Callable[..., None])


def understands_older_form(init: Init) -> Init:
    """Net's constructor, which has a phase where the older form has a file: it then gets today's arguments."""

    @functools.wraps(init)
    def either(*args: Any, **kwargs: Any) -> None:
        if len(args) > 2 and isinstance(args[2], str | os.PathLike):
            return init(args[0], *todays_arguments(*args[1:]), **kwargs)
        return init(*args, **kwargs)

    return either  # type: ignore[return-value]


def todays_arguments(network_file: Any, weights: Any, *rest: Any) -> tuple[Any, ...]:
    """(network_file, phase, level, stages, weights) for those of the older form. Raises TypeError without a phase."""
    if len(rest) != 1:
        wrong = "has no phase" if not rest else "has more than a phase behind the weights"
        call = f"Net({', '.join(map(repr, (network_file, weights, *rest)))})"
        raise TypeError(f"{call} {wrong}: write Net({network_file!r}, caffe.TEST, weights={weights!r})")
    (phase,) = rest
    log.warning("DEPRECATION WARNING - deprecated use of Python interface")
    log.warning('Use this instead (with the named "weights" parameter):')
    log.warning(f"Net('{network_file}', {phase}, weights='{weights}')")
    return network_file, phase, 0, None, weights
