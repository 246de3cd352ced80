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


CLASSES: dict[str, type[Solver]] = {cls.type: cls for cls in (SGDSolver,)}


def get_solver(solver_file: str | os.PathLike[str], **options: Any) -> Solver:
    """A solver of the class that the file's `type` names; the mode stays as it was set. options: as Solver's."""
    source = read_solver(solver_file)
    rule = rule_class(source.param.type, source.origin)
    return CLASSES[rule.type](source, **options)
