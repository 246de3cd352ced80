"""What only pycaffe's scripts need. As caffe.pycaffe it is also where old scripts import Net and the solvers from."""

from minicaffe.net.net import Net
from minicaffe.pycaffe.parallel import NCCL
from minicaffe.pycaffe.timer import Timer
from minicaffe.solver import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
)

__all__ = [
    "NCCL",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "NesterovSolver",
    "Net",
    "RMSPropSolver",
    "SGDSolver",
    "Timer",
]
