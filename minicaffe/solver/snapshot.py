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
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from minicaffe import log
from minicaffe.errors import FileError, FormatError, MinicaffeError, Origin, SolverError
from minicaffe.io.atomic import atomic_paths, check_writable, put_in_place, remove_stale, stale_under
from minicaffe.io.caffemodel_write import Written
from minicaffe.io.solverstate import SolverState, read_solverstate, write_solverstate
from minicaffe.io.solverstate_hdf5 import read_solverstate_hdf5, write_solverstate_hdf5
from minicaffe.io.wire_file import size_and_sha256
from minicaffe.net import weights, weights_hdf5
from minicaffe.net.net import Net
from minicaffe.proto import caffe_pb2
from minicaffe.solver.settings import setting_error

MODEL, STATE = "caffemodel", "solverstate"
HDF5_SUFFIX = ".h5"


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


def clear_up(prefix: str) -> None:
    """Finish the pairs under a prefix that a killed process had whole on the disk; remove what else it left."""
    stale = stale_under(prefix)
    for path, final in stale:
        if match := re.fullmatch(rf"(.*)\.{STATE}({re.escape(HDF5_SUFFIX)})?", final, re.DOTALL):
            model = f"{match[1]}.{MODEL}{match[2] or ''}"
            _finish(path, final, model, [other for other, meant in stale if meant == model])
    for path in remove_stale(prefix):
        log.info(f"Removed {path}, which a process that was killed left half-written")


def _finish(path: str, final: str, model: str, stale_models: list[str]) -> None:
    """Rename a solverstate to its final name, and its weights before it, if both are whole and the former not there.

    It is not there where an older one was removed already, and where this is the first: a new pair is then nearer than
    none. Else the older pair stays.
    """
    read = read_solverstate_hdf5 if final.endswith(HDF5_SUFFIX) else read_solverstate
    with suppress(MinicaffeError, OSError):
        written = _extra(read(path), path).get("model")
        whole = [other for other in (model, *stale_models) if written and os.path.isfile(other) and _is(other, written)]
        if not whole or os.path.lexists(final):
            return
        if whole[0] != model:
            put_in_place(whole[0], model)
        put_in_place(path, final)
        log.info(f"Finished the snapshot {final}, which a process that was killed had written")


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
        written = form.save(net, new_model, write_diff=param.snapshot_diff)
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
    state = (read_solverstate_hdf5 if name.endswith(HDF5_SUFFIX) else read_solverstate)(name)
    extra = _extra(state, name)
    return state, extra, find_weights(state.learned_net, name, extra.get("model"))


def find_weights(learned_net: str, state_path: str, model: dict | None = None) -> str:
    """Where the weights of a solverstate are: where it says, or else beside it, for pairs that were moved together.

    model: size and SHA-256 of the file, where the solverstate has them.
    Raises SolverError where a file of that name holds other weights, FileError where there is none.
    """
    if not learned_net:
        return ""
    beside = os.path.join(os.path.dirname(state_path), os.path.basename(learned_net))
    there = [candidate for candidate in (learned_net, beside) if os.path.isfile(candidate)]
    for candidate in there:
        if model is None or _is(candidate, model):
            if candidate != learned_net:
                log.info(f"{learned_net} is not there, or of another run; using {candidate}, beside the solver state")
            return candidate
    if there:
        text = (
            f"{there[0]} holds other weights than those saved with this solver state (another size or SHA-256): "
            "the pair was mixed; resume from another one, or put the right file back"
        )
        raise SolverError(text, file=state_path)
    text = f"the weights that belong to it, {learned_net}, are not there, nor beside it: put them beside it"
    raise FileError(f"{text} (relative paths begin at {os.getcwd()})", file=state_path)


def _is(path: str, model: dict) -> bool:
    # The size first: a file of another one need not be read.
    return os.path.getsize(path) == model.get("size") and size_and_sha256(path)[1] == model.get("sha256")


def _extra(state: SolverState, path: str) -> dict:
    if not state.extra:
        return {}
    try:
        extra = json.loads(state.extra)
    except ValueError as error:
        raise FormatError(f"what it keeps for an exact resume cannot be read: {error}", file=path) from error
    if not isinstance(extra, dict) or not isinstance(extra.get("model"), dict):
        raise FormatError("what it keeps for an exact resume is not what minicaffe writes there", file=path)
    return extra
