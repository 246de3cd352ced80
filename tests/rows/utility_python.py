"""The row of Python: with layers that a user might have written (tests/python_layers.py)."""

import numpy as np
import python_layers
from layer_table import Case, Refusal, Row

from minicaffe.errors import GraphError, ParamError

MODULE = python_layers.__name__


def python_param(layer, param_str=""):
    return f'python_param {{ module: "{MODULE}" layer: "{layer}" param_str: "{param_str}" }}'


def definition(param, bottoms, blobs):
    kind = param.python_param.layer
    if kind == "Affine":
        a, b = map(float, param.python_param.param_str.split(","))
        return [np.reshape([a * v + b for v in x.flat], x.shape) for x in bottoms]
    (x,), (w,) = bottoms, blobs
    return [np.stack([w[c] * x[:, c] for c in range(x.shape[1])], axis=1)]


ROWS = {
    "Python": Row(
        cases=(
            Case(python_param("Weighted")),
            Case(python_param("Affine", "2,-1")),
        ),
        reference=definition,
        # Whether its gradient is wanted is not known to a user's layer: tests/layers/test_python.py checks it.
        parameters=(),
        refused=(
            Refusal("", [(2, 3)], ParamError, "python_param.module", ('is ""', "must be the name of a Python module")),
            Refusal(
                'python_param { module: "../evil" layer: "L" }',
                [(2, 3)],
                ParamError,
                "python_param.module",
                ("../evil",),
            ),
            Refusal(
                f'python_param {{ module: "{MODULE}" }}',
                [(2, 3)],
                ParamError,
                "python_param.layer",
                ('is ""', "must be the name of a Python class"),
            ),
            Refusal(
                'python_param { module: "nobody_named_it" layer: "L" }',
                [(2, 3)],
                ParamError,
                "python_param.module",
                (
                    'is "nobody_named_it"',
                    "--python-layer nobody_named_it",
                    "MINICAFFE_PYTHON_LAYERS=nobody_named_it",
                    "import nobody_named_it",
                ),
            ),
            Refusal(
                python_param("Afine"),
                [(2, 3)],
                ParamError,
                "python_param.layer",
                ('is "Afine"', "its layers are Affine"),
            ),
            Refusal(
                python_param("NoLayer"), [(2, 3)], ParamError, "python_param.layer", ("NoLayer", "minicaffe.Layer")
            ),
            Refusal(python_param("FAULTS"), [(2, 3)], ParamError, "python_param.layer", ("FAULTS", "minicaffe.Layer")),
            Refusal(
                python_param("Forgetful"),
                [(2, 3)],
                GraphError,
                "python_param.layer",
                ('is "Forgetful"', "without a method backward", "add one"),
                act=lambda run: run.forward().backward(),
            ),
        ),
    ),
}
