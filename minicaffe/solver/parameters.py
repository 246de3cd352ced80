"""solver.param: the few settings that pycaffe shows."""

from __future__ import annotations

from typing import Any


class Parameters:
    """pycaffe's view of a SolverParameter. Only base_lr may be set: the rate changes from the next update on.

    base_lr, max_iter, display (iterations between lines in the log), layer_wise_reduce: as the solver file says.
    """

    __slots__ = ("_param",)

    def __init__(self, param: Any) -> None:
        self._param = param

    @property
    def base_lr(self) -> float:
        return self._param.base_lr

    @base_lr.setter
    def base_lr(self, value: float) -> None:
        self._param.base_lr = value

    @property
    def max_iter(self) -> int:
        return self._param.max_iter

    @property
    def display(self) -> int:
        return self._param.display

    @property
    def layer_wise_reduce(self) -> bool:
        return self._param.layer_wise_reduce

    def __repr__(self) -> str:
        return (
            f"<Parameters base_lr={self.base_lr:g} max_iter={self.max_iter} display={self.display} "
            f"layer_wise_reduce={self.layer_wise_reduce}>"
        )
