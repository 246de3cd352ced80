"""Snapshots: a pair of files, the weights and what the solver keeps beside them. As solver.cpp, Snapshot.

    <snapshot_prefix>_iter_<iter>.caffemodel     the net, as Net.save writes it
    <snapshot_prefix>_iter_<iter>.solverstate    iteration, history, and the name of the former

both with .h5 behind them where snapshot_format is HDF5. The solverstate names the weights' size and SHA-256: a pair
that does not belong together is found when it is read. Beside Caffe's fields it holds, as JSON where Caffe does not
look, what an exact resume needs (resume.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minicaffe import log
from minicaffe.errors import FileError, Origin
from minicaffe.io.atomic import atomic_paths, check_writable
from minicaffe.io.hashing import Written
from minicaffe.io.solverstate import SolverState, write_solverstate
from minicaffe.io.solverstate_hdf5 import write_solverstate_hdf5
from minicaffe.net import weights, weights_hdf5
from minicaffe.net.net import Net
from minicaffe.proto import caffe_pb2
from minicaffe.solver.leftovers import clear_up
from minicaffe.solver.settings import setting_error
from minicaffe.solver.state_file import HDF5_SUFFIX, MODEL, STATE, extra_of, find_weights, read_state


@dataclass(frozen=True)
class Format:
    """How a pair is written. suffix: of its files' names.  words: for the log."""

    suffix: str
    words: str
    save: Callable[..., Written]
    write_state: Callable[[str, SolverState], None]


FORMATS = {
    caffe_pb2.SolverParameter.BINARYPROTO: Format("", "binary proto", weights.save, write_solverstate),
    caffe_pb2.SolverParameter.HDF5: Format(HDF5_SUFFIX, "HDF5", weights_hdf5.save_hdf5, write_solverstate_hdf5),
}


def check_snapshots(param: Any, origin: Origin) -> None:
    """Raises unless snapshots of this solver can be written where they are to go; found before any training.

    ParamError for a prefix that is not set, FileError for a folder that cannot be written to.
    """
    if not param.snapshot_prefix:
        text = "is not set, and snapshots need it: give a path that their names begin with"
        raise setting_error(origin, "snapshot_prefix", text)
    try:
        check_writable(param.snapshot_prefix)
    except FileError as error:
        raise setting_error(origin, "snapshot_prefix", f"cannot be used: {error}", FileError) from error
    clear_up(param.snapshot_prefix)


def snapshot_path(param: Any, iteration: int, kind: str) -> str:
    """Name of a snapshot's file. kind: MODEL or STATE."""
    return f"{param.snapshot_prefix}_iter_{iteration}.{kind}{FORMATS[param.snapshot_format].suffix}"


def write_snapshot(net: Net, param: Any, state: SolverState, extra: dict) -> str:
    """Write weights and solverstate; returns the latter's path.

    state: with iter, current_step and history.  extra: plain numbers and strings that an exact resume needs.
    Raises FileError where a file cannot be written; what was there under both names is then untouched.
    """
    form = FORMATS[param.snapshot_format]
    model, path = (snapshot_path(param, state.iter, kind) for kind in (MODEL, STATE))
    state.learned_net = model
    with atomic_paths(model, path) as (new_model, new_path):
        log.info(f"Snapshotting to {form.words} file {model}")
        written = form.save(net.graph, new_model, write_diff=param.snapshot_diff)
        told = {"model": {"size": written.size, "sha256": written.sha256}, **extra}
        state.extra = json.dumps(told, separators=(",", ":")).encode()
        log.info(f"Snapshotting solver state to {form.words} file {path}")
        form.write_state(new_path, state)
    return path


def read_snapshot(path: str | os.PathLike[str]) -> tuple[SolverState, dict, str]:
    """The state in a solverstate, what stands beside Caffe's fields, and the path of the weights ("" for none).

    As in Caffe, the name tells the format: HDF5 ends in .h5.
    Raises FileError, FormatError, SolverError; also where the weights are not those that were saved with the state.
    """
    name = os.fspath(path)
    state = read_state(name)
    extra = extra_of(state, name)
    return state, extra, find_weights(state.learned_net, name, extra.get("model"))
