"""pycaffe's solver classes, one for each update rule; they ignore the file's `type` and `solver_mode`."""

from __future__ import annotations

import os
from typing import Any

from minicaffe.proto.upgrade import read_solver
from minicaffe.solver.rule import rule_class
from minicaffe.solver.solver import Solver


class SGDSolver(Solver):
    """Trains with momentum SGD (solver/sgd.py), whatever the file's type."""

    type = "SGD"


class NesterovSolver(Solver):
    """Trains with Nesterov's accelerated gradient (solver/nesterov.py), whatever the file's type."""

    type = "Nesterov"


class AdaGradSolver(Solver):
    """Trains with AdaGrad (solver/adagrad.py), whatever the file's type."""

    type = "AdaGrad"


class RMSPropSolver(Solver):
    """Trains with RMSProp (solver/rmsprop.py), whatever the file's type."""

    type = "RMSProp"


class AdaDeltaSolver(Solver):
    """Trains with AdaDelta (solver/adadelta.py), whatever the file's type."""

    type = "AdaDelta"


class AdamSolver(Solver):
    """Trains with Adam (solver/adam.py), whatever the file's type."""

    type = "Adam"


_SOLVERS = (SGDSolver, NesterovSolver, AdaGradSolver, RMSPropSolver, AdaDeltaSolver, AdamSolver)
CLASSES: dict[str, type[Solver]] = {cls.type: cls for cls in _SOLVERS}


def get_solver(solver_file: str | os.PathLike[str], **options: Any) -> Solver:
    """A solver of the class that the file's `type` names; the mode stays as it was set. options: as Solver's."""
    source = read_solver(solver_file)
    rule = rule_class(source.param.type, source.origin)
    return CLASSES[rule.type](source, **options)
