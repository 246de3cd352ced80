"""Solvers: the driver (solver.py), the update rules, one file each (sgd.py), and what they share."""

# Importing a rule makes it known.
from minicaffe.solver import adadelta, adagrad, adam, nesterov, rmsprop, sgd  # noqa: F401
from minicaffe.solver.actions import Action
from minicaffe.solver.solver import Solver
from minicaffe.solver.types import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    RMSPropSolver,
    SGDSolver,
    get_solver,
)

__all__ = [
    "Action",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "NesterovSolver",
    "RMSPropSolver",
    "SGDSolver",
    "Solver",
    "get_solver",
]
