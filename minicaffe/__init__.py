"""minicaffe: Caffe 1.0 in Python, on NumPy and CuPy. `import minicaffe as caffe` offers pycaffe's names."""

import importlib
from typing import TYPE_CHECKING, Any

from minicaffe import _caffe as _caffe, io, layers, log
from minicaffe._caffe import (
    NCCL,
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    Layer,
    NesterovSolver,
    Net,
    RMSPropSolver,
    SGDSolver,
    Solver,
    Timer,
    get_solver,
    has_nccl,
    init_log,
    layer_type_list,
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_multiprocess,
    set_random_seed,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from minicaffe.layers.base import TEST, TRAIN
from minicaffe.layers.consent import register_python_layer
from minicaffe.net_spec import NetSpec, params, to_proto
from minicaffe.pycaffe.alias import install_as_caffe
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
    from minicaffe.classifier import Classifier
    from minicaffe.detector import Detector
else:
    # What most programs do without is imported when it is asked for. Modules: pycaffe's scripts often forget to.
    _HOMES = {"Classifier": "classifier", "Detector": "detector"}
    _MODULES = ("classifier", "coord_map", "detector", "draw")

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        if name in _MODULES:
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOMES, *_MODULES})
