"""caffe._caffe: the names of Caffe's native module, for scripts that import from there.

__version__ is that of the Caffe whose interface this is; minicaffe.__version__ is the package's own.
"""

from minicaffe import log
from minicaffe.backend import set_device, set_mode_cpu, set_mode_gpu
from minicaffe.backend.random import set_random_seed
from minicaffe.blob import HostBlob as Blob
from minicaffe.blob_vec import BlobVec
from minicaffe.layers import layer_type_list
from minicaffe.layers.user_layer import Layer
from minicaffe.log import init_log
from minicaffe.net.net import Net
from minicaffe.proto.caffe_pb2 import LayerParameter
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
from minicaffe.pycaffe.vectors import BoolVec, DtypeVec, IntVec, LayerVec, NetVec, RawBlobVec, StringVec
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
from minicaffe.solver.parameters import Parameters as SolverParameter

__version__ = "1.0.0"

__all__ = [
    "NCCL",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Blob",
    "BlobVec",
    "BoolVec",
    "DtypeVec",
    "IntVec",
    "Layer",
    "LayerParameter",
    "LayerVec",
    "NesterovSolver",
    "Net",
    "NetVec",
    "RMSPropSolver",
    "RawBlobVec",
    "SGDSolver",
    "Solver",
    "SolverParameter",
    "StringVec",
    "Timer",
    "__version__",
    "get_solver",
    "has_nccl",
    "init_log",
    "layer_type_list",
    "log",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
]
