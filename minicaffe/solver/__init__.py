"""Solvers: the driver (solver.py), the update rules, one file each (sgd.py), and what they share."""

from minicaffe.solver import sgd  # noqa: F401  (importing it makes the rule known)
from minicaffe.solver.actions import Action
from minicaffe.solver.solver import Solver
from minicaffe.solver.types import SGDSolver, get_solver

__all__ = ["Action", "SGDSolver", "Solver", "get_solver"]
