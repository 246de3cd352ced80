"""minicaffe: Caffe 1.0 in Python, on NumPy and CuPy. `import minicaffe as caffe` offers pycaffe's names."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from minicaffe import _caffe as _caffe, io, layers, log
from minicaffe.backend import set_device, set_mode_cpu, set_mode_gpu
from minicaffe.backend.random import set_random_seed
from minicaffe.classifier import Classifier
from minicaffe.detector import Detector
from minicaffe.layers import layer_type_list
from minicaffe.layers.base import TEST, TRAIN
from minicaffe.layers.consent import register_python_layer
from minicaffe.layers.user_layer import Layer
from minicaffe.log import init_log
from minicaffe.net.net import Net
from minicaffe.net_spec import NetSpec, params, to_proto
from minicaffe.pycaffe.alias import install_as_caffe
from minicaffe.pycaffe.parallel import (
    NCCL,
    has_nccl,
    set_multiprocess,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from minicaffe.pycaffe.timer import Timer
from minicaffe.solver import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    Solver,
    get_solver,
)
from minicaffe.version import __version__

__all__ = [
    "NCCL",
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Classifier",
    "Detector",
    "Layer",
    "NesterovSolver",
    "Net",
    "NetSpec",
    "RMSPropSolver",
    "SGDSolver",
    "Solver",
    "Timer",
    "__version__",
    "get_solver",
    "has_nccl",
    "init_log",
    "install_as_caffe",
    "io",
    "layer_type_list",
    "layers",
    "log",
    "params",
    "register_python_layer",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
    "to_proto",
]

if TYPE_CHECKING:
    from minicaffe import coord_map as coord_map, draw as draw
else:

    def __getattr__(name: str) -> ModuleType:
        """Modules that pycaffe's scripts import by themselves, and often forget to: caffe.draw."""
        if name in ("coord_map", "draw"):
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
