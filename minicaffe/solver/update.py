"""One update of all parameters: clip, normalise, regularise, then the rule. As sgd_solver.cpp, ApplyUpdate."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from minicaffe import log
from minicaffe.errors import Origin
from minicaffe.net.memory import places_of
from minicaffe.net.net import Net
from minicaffe.solver.rule import Rule
from minicaffe.solver.settings import setting_error

Array = Any
Run = tuple[Array, Array, list[Array]]
# Values of a parameter that are worked on at once: few enough for three arrays of them to stay in the cache,
# many enough for a call to take 20 microseconds, below which a second thread costs more than it does.
RUN = 1 << 17
REGULARIZATIONS = ("L1", "L2")


class Updater:
    """Applies updates to a net's learnable parameters, and keeps what the rule remembers of them.

    history: arrays of the parameters' shapes; all parameters' first slot, then all second ones, as solverstates
    hold them. They lie in one buffer.
    """

    def __init__(self, net: Net, rule: Rule, param: Any) -> None:
        self.net, self.rule, self.param = net, rule, param
        self._real = net.dtype.type
        self._lr = [self._real(value) for value in net.params_lr]
        self._decay = [self._real(param.weight_decay) * self._real(value) for value in net.params_decay]
        self.history = self._allocate()
        self._runs: list[Runs | None] = [None] * len(net.learnable_params)
        # Below this a second thread costs more than it does.
        self._is_long = sum(blob.count for blob in net.learnable_params) >= 2 * RUN

    def _allocate(self) -> list[Array]:
        blobs = self.net.learnable_params * self.rule.slots
        places, size = places_of(blobs)
        buffer = self.net.backend.zeros(size, self._real)
        return [buffer[place].reshape(blob.shape) for blob, place in zip(blobs, places, strict=True)]

    def check(self, origin: Origin) -> None:
        """Raises ParamError where regularization_type is none that there is; unless nothing decays."""
        kind = self.param.regularization_type
        if kind not in REGULARIZATIONS and any(self._decay):
            text = f'is "{kind}": Unknown regularization type: {kind} (known: L1, L2)'
            raise setting_error(origin, "regularization_type", text)

    def apply(self, rate: float, t: int) -> None:
        """Take one step. rate: base_lr under its policy.  t: 1 for the first update.

        Afterwards every parameter's diff holds the update that was taken off its data.
        """
        backend = self.net.backend
        scale = float(self._real(1) / self._real(self.param.iter_size))
        kind = self.param.regularization_type
        regularize, update = backend.kernels.regularize, self.rule.update

        def work_on(part: tuple[Run, float, float]) -> None:
            (data, diff, history), local_rate, decay = part
            if scale != 1 or decay:
                regularize(diff, data, scale, decay, kind)
            update(data, diff, history, local_rate, t)

        # What overflows, the results tell.
        with backend.at_work(), np.errstate(all="ignore"):
            self._clip()
            parts = [
                (run, float(self._real(rate) * lr_mult), float(decay))
                for index, (lr_mult, decay) in enumerate(zip(self._lr, self._decay, strict=True))
                for run in self._runs_of(index)
            ]
            if self._is_long:
                backend.share(work_on, parts)
            else:
                for part in parts:
                    work_on(part)

    def _clip(self) -> None:
        """Scale all gradients down so that their common L2 norm is at most clip_gradients."""
        limit = self.param.clip_gradients
        if limit < 0:
            return
        flat = self.net.param_diffs
        norm = math.sqrt(float(self.net.backend.xp.vdot(flat, flat)))
        if norm > limit:
            scale = limit / norm
            text = f"(L2 norm {log.g(norm)} > {log.g(limit)}) by scale factor {log.g(scale)}"
            log.info(f"Gradient clipping: scaling down gradients {text}")
            flat *= self._real(scale)

    def _runs_of(self, index: int) -> Runs:
        blob = self.net.learnable_params[index]
        data, diff = blob.data, blob.diff
        runs = self._runs[index]
        # A parameter's memory changes when a script lets it share another net's.
        if runs is None or runs.data is not data or runs.diff is not diff:
            count = len(self.net.learnable_params)
            history = self.history[index::count]
            size = max(1, blob.count) if self.net.backend.is_gpu else RUN
            runs = self._runs[index] = Runs(data, diff, history, size)
        return runs


class Runs(list[Run]):
    """A parameter cut into equal pieces of at most `size` values: (data, diff, [history...]), flat views."""

    def __init__(self, data: Array, diff: Array, history: list[Array], size: int) -> None:
        self.data, self.diff = data, diff
        arrays = [array.reshape(-1) for array in (data, diff, *history)]
        count = max(1, -(-data.size // size))
        # Equal ones, so that threads which take turns end together.
        for begin, end in pairwise(data.size * i // count for i in range(count + 1)):
            pieces = [array[begin:end] for array in arrays]
            self.append((pieces[0], pieces[1], pieces[2:]))
