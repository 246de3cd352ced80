"""Calls of the kernels of lstm_unit.py.  kernel_cases gives the workspace."""

import numpy as np

# (streams, cells)
SIZES = [(3, 5), (1, 4), (5, 1), (0, 3), (7, 300)]


def cases(rng, workspace):
    for streams, cells in SIZES:
        cell, gates = (streams, cells), (streams, 4 * cells)
        # A sequence begins, goes on, or is weighted.
        cont = np.resize([0.0, 1.0, 0.5], streams)
        made = [np.full(shape, np.nan) for shape in (gates, cell, cell, cell)]
        given = rng.normal(size=cell), rng.normal(size=gates), cont
        yield f"lstm_unit_forward: {cell}", "lstm_unit_forward", (*given, *made, workspace)
        given = rng.normal(size=cell), rng.uniform(-1, 1, gates), cont, *rng.uniform(-1, 1, (3, *cell))
        made = [np.full(shape, np.nan) for shape in (cell, gates)]
        yield f"lstm_unit_backward: {cell}", "lstm_unit_backward", (*given, *made, workspace)
    far = np.array([[-2000.0, 2000, 90, -90, 0, 1e-3, 15, -15]])
    made = [np.full(shape, np.nan) for shape in ((1, 8), (1, 2), (1, 2), (1, 2))]
    yield "lstm_unit_forward: saturated", "lstm_unit_forward", (np.ones((1, 2)), far, np.ones(1), *made, workspace)
