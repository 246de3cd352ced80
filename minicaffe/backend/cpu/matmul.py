"""Matrix products, shared out over the team: each thread multiplies for a run of rows or columns of the result."""

from __future__ import annotations

import numpy as np

from minicaffe.backend.cpu.team import TEAM, cut


def matmul(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """The longer side of the result is cut. np.matmul hands contiguous rows or columns to BLAS without a copy."""
    rows, columns = out.shape
    # A multiply-add takes a sixteenth of the time of a value that is read and written.
    work = out.size * a.shape[1] // 16
    if rows >= columns:
        TEAM.run(lambda span: np.matmul(a[span], b, out=out[span]), cut(rows, work))
    else:
        TEAM.run(lambda span: np.matmul(a, b[:, span], out=out[:, span]), cut(columns, work))
