"""Training with several solvers at once: pycaffe's names for it. minicaffe trains with one so far, and says so.

Scripts that only make sure of the usual state, one solver of rank 0 in one process, run; others get a DeviceError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from minicaffe.errors import DeviceError

if TYPE_CHECKING:
    from minicaffe.solver import Solver

WHAT_TO_DO = (
    "data-parallel training does not exist yet in minicaffe: one process trains with one solver on one device; "
    "train without it, with a larger batch_size, or with iter_size in the solver file to add up gradients"
)


class NCCL:
    """Caffe's communicator between GPUs. Scripts find the class, has_nccl() tells them not to use it.

    solver: whose gradients to exchange.  uid: from NCCL.new_uid(), the same in all processes.
    Raises DeviceError whenever one is made: data-parallel training does not exist yet.
    """

    def __init__(self, solver: Solver, uid: bytes) -> None:
        refuse("NCCL(solver, uid)")

    @staticmethod
    def new_uid() -> bytes:
        """A name for a group of communicators. Raises DeviceError, as the class does."""
        refuse("NCCL.new_uid()")

    def bcast(self) -> None:
        """Give all solvers the weights of the first. Raises DeviceError, as the class does."""
        refuse("NCCL.bcast()")


def has_nccl() -> bool:
    """Whether communicators between GPUs can be made: no."""
    return False


def solver_count() -> int:
    """How many solvers train one net together: 1."""
    return 1


def set_solver_count(n: int) -> None:
    """Announce that n solvers train one net together. Raises DeviceError unless n is 1."""
    accept_only(1, n, int, f"set_solver_count({n})")


def solver_rank() -> int:
    """Which of the solvers is this thread's: 0, the first."""
    return 0


def set_solver_rank(r: int) -> None:
    """Say which of the solvers is this thread's. Raises DeviceError unless r is 0."""
    accept_only(0, r, int, f"set_solver_rank({r})")


def set_multiprocess(multiprocess: bool) -> None:
    """Announce that the solvers are processes, not threads. Raises DeviceError unless it is False."""
    accept_only(False, multiprocess, bool, f"set_multiprocess({multiprocess})")


def accept_only(usual: Any, value: Any, kind: type, call: str) -> None:
    """Raises TypeError for a value of another kind, DeviceError for any but the usual one."""
    if not isinstance(value, kind):
        raise TypeError(f"{call}: the value must be of type {kind.__name__}, not {value!r}")
    if value != usual:
        refuse(call)


def refuse(call: str) -> NoReturn:
    raise DeviceError(f"{call}: {WHAT_TO_DO}")
