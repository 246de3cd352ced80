"""minicaffe: Caffe 1.0 in Python, on NumPy and CuPy. `import minicaffe as caffe` offers pycaffe's names."""

from minicaffe.backend import set_device, set_mode_cpu, set_mode_gpu
from minicaffe.backend.random import set_random_seed
from minicaffe.layers import layer_type_list
from minicaffe.layers.base import TEST, TRAIN
from minicaffe.layers.consent import register_python_layer
from minicaffe.layers.user_layer import Layer
from minicaffe.net.net import Net
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
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Layer",
    "NesterovSolver",
    "Net",
    "RMSPropSolver",
    "SGDSolver",
    "Solver",
    "__version__",
    "get_solver",
    "layer_type_list",
    "register_python_layer",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_random_seed",
]
